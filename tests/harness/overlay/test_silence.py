"""Pings that must not arrive, through a plain hub that forwards everything and can forget a machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.silence import Attempt, check_silence
from netlab import Host, Lab, Tunnel
from netlab.examples import plainhub

ADDRESS, NAMES = "192.0.2.1", ("mumbai", "pune", "delhi")


def forget(hub: Tunnel, machine: Machine) -> None:
    """Removes a machine from the hub, which sends nothing to it any more and takes nothing from it."""
    (key,) = (peer.public_key for peer in hub.peers() if peer.allowed_ips == (f"{machine.address}/32",))
    hub.host.run("wg", "set", hub.interface, "peer", key, "remove")


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    """Connects three machines to a plain hub; the hub forgets the last one."""
    with Lab() as lab:
        switch, router = lab.switch("internet"), lab.router("hub")
        hosts = [lab.host(name) for name in NAMES]
        for number, host in enumerate((router, *hosts), start=1):
            lab.connect(host, switch, f"192.0.2.{number}/24")
        hub = plainhub.connect(router, ADDRESS, hosts)
        made = [
            Machine(name, name, address, (), "", hub.address, host, tunnel, Record())
            for name, address, host, tunnel in zip(NAMES, hub.addresses, hosts, hub.tunnels, strict=True)
        ]
        forget(hub.tunnel, made[-1])
        yield made


def pinged(host: Host, address: str) -> None:
    """Waits until a ping is answered, behind which everything else has arrived."""
    assert host.ping(address, timeout=5.0)


def test_a_ping_that_arrives_is_refuted(machines: list[Machine]) -> None:
    mumbai, pune, _ = machines
    attempt = Attempt("a strange key", mumbai, (pune.address,))
    with pytest.raises(Refuted, match="a strange key still reaches pune; a strange key still reaches somebody"):
        check_silence([attempt], [pune], lambda: pinged(mumbai.host, pune.address))


def test_a_hub_that_answers_is_refuted(machines: list[Machine]) -> None:
    mumbai, pune, _ = machines
    attempt = Attempt("a strange key", mumbai, (mumbai.hub,))
    with pytest.raises(Refuted, match=r"^a strange key still reaches somebody who answers mumbai$"):
        check_silence([attempt], [pune], lambda: pinged(mumbai.host, mumbai.hub))


def test_a_forgotten_machine_neither_sends_nor_hears(machines: list[Machine]) -> None:
    mumbai, pune, delhi = machines
    attempts = [
        Attempt("a forgotten machine", delhi, (delhi.hub, mumbai.address, pune.address)),
        Attempt("a packet to a forgotten machine", mumbai, (delhi.address,)),
    ]
    check_silence(attempts, [mumbai, pune, delhi], lambda: pinged(mumbai.host, pune.address))
