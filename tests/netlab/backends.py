"""One network on each backend: a hub that forwards, and two machines on one switch with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import pytest

from netlab import Cable, Host, HostPlan, Lab, NamespaceHost, Plan
from netlab.container import Containers
from netlab.ssh import Remotes
from netlab.sshlogin import Login
from tests.netlab import sshd

HUB, MUMBAI, PUNE = "192.0.2.1", "192.0.2.11", "192.0.2.12"
ADDRESSES = {"hub": HUB, "mumbai": MUMBAI, "pune": PUNE}
PLAN = Plan(
    (HostPlan("hub", forwards=True), HostPlan("mumbai"), HostPlan("pune")),
    tuple(Cable(name, "internet", (f"{address}/24",)) for name, address in ADDRESSES.items()),
)
NAMES = ("namespaces", "containers", "ssh")


@contextmanager
def backend(name: str) -> Iterator[Mapping[str, Host]]:
    """Opens a backend; skips the test, with the reason, if this machine lacks a requirement of it."""
    with {"namespaces": _namespaces, "containers": _containers, "ssh": _ssh}[name]() as hosts:
        yield hosts


@contextmanager
def _namespaces() -> Iterator[Mapping[str, Host]]:
    with Lab() as lab:
        lab.build(PLAN)
        yield lab.hosts


@contextmanager
def _containers() -> Iterator[Mapping[str, Host]]:
    image = os.environ.get("NETLAB_IMAGE")
    if image is None:
        pytest.skip("no daemon and image of Docker's are named: tox -e docker-lab has them")
    import docker

    with closing(docker.from_env()) as client, Lab(make_host=Containers(client, image)) as lab:
        lab.build(PLAN)
        yield lab.hosts


@contextmanager
def _ssh() -> Iterator[Mapping[str, Host]]:
    with servers() as (_, logins), Remotes(PLAN, logins) as remotes:
        yield remotes.hosts


@contextmanager
def servers() -> Iterator[tuple[Lab, dict[str, Login]]]:
    """Provides a network with SSH servers in its hosts, to which the caller is connected."""
    program = sshd.needed()
    key = sshd.new_key()
    with Lab() as lab:
        lab.build(PLAN)
        lab.connect_here(lab.switches["internet"], "192.0.2.250/24")
        key_file = lab.folder / "key"
        key_file.write_text(key.private)
        logins = {}
        for name, address in ADDRESSES.items():
            host = lab.hosts[name]
            assert isinstance(host, NamespaceHost)
            _, logins[name] = sshd.start(program, host, address, key, key_file)
        yield lab, logins
