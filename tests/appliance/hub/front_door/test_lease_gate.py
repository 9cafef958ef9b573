"""The gate before the front door is open for as long as its lease, and the kernel shuts it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address

import pytest

from appliance.hub.front_door.lease_gate import LeaseGate
from appliance.hub.names import Names
from netlab import Lab, LabHost, UdpEcho, udp_probe
from tests.waiting import wait_until

_HUB, _OTHER_HUB, _ENDED, _MACHINE = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.11"
_PORT, _OTHER_PORT = 51820, 51821
_IP_TRANSPARENT = 19
_LONG_S = 600.0
_SHORT_S = 1.0


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A hub whose front door is an echo, and a machine."""
    with Lab() as made:
        internet = made.switch("internet")
        hub, machine = made.host("hub"), made.host("machine")
        link = made.connect(hub, internet, f"{_OTHER_HUB}/24")
        hub.run("ip", "address", "add", f"{_HUB}/24", "dev", link.interface)
        made.connect(machine, internet, f"{_MACHINE}/24")
        with UdpEcho(hub, _PORT, _HUB), UdpEcho(hub, _PORT, _OTHER_HUB), UdpEcho(hub, _OTHER_PORT):
            yield made


@pytest.fixture
def gate(lab: Lab, names: Names) -> Iterator[LeaseGate]:
    """The hub's gate, shut."""
    hub = lab.hosts["hub"]
    with closing(hub.in_network(lambda: LeaseGate(names.gate, ip_address(_HUB), _PORT))) as made:
        made.put_up()
        yield made


def answers(lab: Lab, port: int = _PORT, address: str = _HUB) -> bool:
    """Tells whether a packet to the hub and its answer pass, by sending until one does or the gate turned one away."""
    return udp_probe(lab.hosts["machine"], address, port, timeout_s=0.2) is not None


def test_the_gate_is_shut_until_a_renewal_succeeds(lab: Lab, gate: LeaseGate) -> None:
    assert answers(lab, _OTHER_PORT)
    assert not answers(lab)
    gate.offer(_LONG_S)
    assert not answers(lab)
    before = gate.turned_away()
    assert before > 0
    gate.accept()
    wait_until(lambda: answers(lab))
    assert gate.turned_away() == before
    gate.shut()
    assert not answers(lab)
    assert answers(lab, _OTHER_PORT)


def test_an_offer_alone_does_not_lengthen_the_time(lab: Lab, gate: LeaseGate) -> None:
    gate.offer(_SHORT_S)
    gate.accept()
    gate.offer(_LONG_S)
    wait_until(lambda: not answers(lab))
    gate.accept()
    wait_until(lambda: answers(lab))


def test_time_counts_from_the_offer_not_the_acceptance(lab: Lab, gate: LeaseGate) -> None:
    gate.offer(_LONG_S)
    gate.accept()
    assert answers(lab)
    gate.offer(_SHORT_S)
    wait_until(lambda: _is_over(lab.hosts["hub"], gate))
    # As after a stop of the process, between the renewal and its acceptance.
    gate.accept()
    assert not answers(lab)


def test_a_later_process_goes_on_with_the_gate(lab: Lab, gate: LeaseGate, names: Names) -> None:
    gate.offer(_LONG_S)
    gate.accept()
    gate.offer(_SHORT_S)
    with closing(lab.hosts["hub"].in_network(lambda: LeaseGate(names.gate, ip_address(_HUB), _PORT))) as later:
        assert later.is_up()
        assert answers(lab)
        later.offer(_LONG_S)
        later.accept()
        assert answers(lab)
        later.remove()
        assert not later.is_up()


def test_a_gate_tells_that_it_was_opened_until_it_is_shut(gate: LeaseGate) -> None:
    for _ in range(2):
        gate.offer(_SHORT_S)
        assert not gate.has_been_opened()
        gate.accept()
        gate.offer(_SHORT_S)
        assert gate.has_been_opened()
        gate.shut()
        assert not gate.has_been_opened()
    gate.remove()
    assert not gate.has_been_opened()


def test_what_leaves_the_front_door_is_shut_in_as_well(lab: Lab, gate: LeaseGate, names: Names) -> None:
    gate.offer(_LONG_S)
    gate.accept()
    assert answers(lab)
    gate.shut()
    heard = lab.hosts["hub"]
    # Only the way in is opened again.
    heard.run("nft", "flush", "chain", "inet", names.gate, "enter")
    before = gate.turned_away()
    assert not answers(lab)
    assert gate.turned_away() == before + 1


def test_the_port_on_another_address_is_another_shard_s(lab: Lab, gate: LeaseGate) -> None:
    gate.shut()
    assert not answers(lab)
    wait_until(lambda: answers(lab, address=_OTHER_HUB))


def test_nothing_leaves_from_an_address_that_has_ended(lab: Lab, names: Names) -> None:
    """Sends as a link does, to which the front door gives the shard's address whether the host has it or not."""
    hub = lab.hosts["hub"]
    with (
        closing(hub.in_network(lambda: LeaseGate(names.gate, ip_address(_ENDED), _PORT))) as gate,
        hub.socket(socket.AF_INET, socket.SOCK_DGRAM) as link,
    ):
        gate.put_up()
        link.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
        link.bind((_ENDED, _PORT))
        with pytest.raises(PermissionError):
            link.sendto(b"late", (_MACHINE, _PORT))
        assert gate.turned_away() == 1
        gate.offer(_LONG_S)
        gate.accept()
        link.sendto(b"in time", (_MACHINE, _PORT))


def _is_over(hub: LabHost, gate: LeaseGate) -> bool:
    """Tells whether the offer that does not count has expired."""
    del gate
    text = hub.run("nft", "list", "ruleset").stdout
    return text.count("expires") == 1
