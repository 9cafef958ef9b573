"""Containers as hosts, as far as they differ from other hosts; `test_netlab_backends` has the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest
from scapy.layers.inet import IP

from netlab import Capture, HostUnavailable, Lab, UdpEcho, udp_probe
from netlab.container import Containers


@pytest.fixture(name="containers")
def _containers() -> Iterator[Containers]:
    image = os.environ.get("NETLAB_IMAGE")
    if image is None:
        pytest.skip("no daemon and image of Docker's are named: tox -e docker-lab has them")
    import docker

    with closing(docker.from_env()) as client:
        yield Containers(client, image)


def test_a_lab_routes_translates_and_shapes_between_containers(containers: Containers) -> None:
    with Lab(make_host=containers) as lab:
        inside, outside = lab.switch("inside"), lab.switch("outside")
        laptop, router, server = lab.host("laptop"), lab.router("router", masquerade="eth1"), lab.host("server")
        lab.connect(laptop, inside, "10.0.0.2/24", rate=10_000_000)
        lab.connect(router, inside, "10.0.0.1/24")
        lab.connect(router, outside, "203.0.113.1/24", mtu=1400)
        lab.connect(server, outside, "203.0.113.9/24", "2001:db8::9/64", mtu=1400)
        lab.name("server.example.net", "203.0.113.9")
        laptop.route("default", via="10.0.0.1")
        with UdpEcho(server, 7), Capture(server, "eth0", "udp port 7") as capture:
            assert udp_probe(laptop, "203.0.113.9", 7) is not None
            assert capture.packets()[0][IP].src == "203.0.113.1"
        assert laptop.run("hostname").stdout == "laptop\n"
        assert laptop.run("getent", "hosts", "server.example.net").stdout.split()[0] == "203.0.113.9"
        assert server.addresses("eth0") == ["203.0.113.9/24", "2001:db8::9/64"]


def test_a_containers_files_are_its_own(containers: Containers) -> None:
    with Lab(make_host=containers) as lab:
        first, second = lab.host("first"), lab.host("second")
        first.run("touch", "/etc/mine")
        assert second.run("test", "-e", "/etc/mine", check=False).returncode == 1
        first.write(first.folder / "shared", b"here\n")
        assert (first.folder / "shared").read_bytes() == b"here\n"


def test_a_missing_image_is_an_error(containers: Containers) -> None:
    import docker

    del containers
    with (
        closing(docker.from_env()) as client,
        Lab(make_host=Containers(client, "no-such-image")) as lab,
        pytest.raises(HostUnavailable, match="no-such-image"),
    ):
        lab.host("first")
