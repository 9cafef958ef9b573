"""ICMP errors: their bytes, and the verdict of the policy's definition on each."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP

from harness.overlay import icmp_errors
from harness.overlay.icmp_errors import KINDS, IcmpError, QuotedConnection
from harness.overlay.mesh import Rule
from harness.overlay.truth import CellKey, PortProtocol
from tests.harness.overlay.test_truth import ONE, TWO, machine

THIRD = machine(3)
DENIED: Rule = {"action": "deny", "source": "machine:m1", "destination": "machine:m2"}
SERVICES = (PortProtocol("tcp", 22), PortProtocol("udp", 53), PortProtocol("icmp"))


def connection(service: PortProtocol = SERVICES[0]) -> QuotedConnection:
    """Returns a connection from the first machine to the second."""
    return QuotedConnection(CellKey(ONE, TWO, service), 41000)


def test_every_machine_sends_errors_to_every_other() -> None:
    tried = list(icmp_errors.about([connection(), connection(SERVICES[2])], (ONE, TWO, THIRD)))
    assert len(tried) == len(set(tried)) == 2 * 6 * 2 * len(KINDS)
    assert not any(each.sender is each.receiver for each in tried)


@pytest.mark.parametrize("of_reply", [False, True])
def test_an_error_to_the_quoted_sender_is_from_an_endpoint(of_reply: bool) -> None:
    own = [
        (each.sender, each.receiver)
        for each in icmp_errors.about([connection()], (ONE, TWO, THIRD))
        if each.is_from_endpoint and each.of_reply is of_reply and each.kind == "redirect"
    ]
    assert own == [(ONE, TWO) if of_reply else (TWO, ONE)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_endpoint_s_error_has_the_verdict_of_its_connection(kind: str) -> None:
    error = IcmpError(connection(), TWO, ONE, of_reply=False, kind=kind)
    wanted = kind not in ("redirect", "source quench")
    assert error.is_delivered("allow", []) is wanted
    assert not error.is_delivered("deny", [])
    assert not error.is_delivered("allow", [DENIED])
    # The verdict on connections in the other direction does not count.
    assert error.is_delivered("deny", [{**DENIED, "action": "allow"}]) is wanted
    assert not IcmpError(connection(), THIRD, ONE, of_reply=False, kind=kind).is_delivered("allow", [])


@pytest.mark.parametrize("service", SERVICES, ids=str)
@pytest.mark.parametrize("of_reply", [False, True])
def test_an_error_quotes_a_packet_as_a_kernel_does(service: PortProtocol, of_reply: bool) -> None:
    packet = IP(IcmpError(connection(service), THIRD, ONE, of_reply, "too long").packet(b"mark"))
    assert (packet.src, packet.dst) == (THIRD.address, ONE.address)
    assert (packet[ICMP].type, packet[ICMP].code, packet[ICMP].nexthopmtu) == (3, 4, 1280)
    quoted, mark = bytes(packet[ICMP].payload)[:28], bytes(packet[ICMP].payload)[28:]
    assert mark == b"mark"
    sender, receiver = (TWO, ONE) if of_reply else (ONE, TWO)
    about = IP(quoted + bytes(12))
    assert (about.src, about.dst) == (sender.address, receiver.address)
    if service.port is None:
        assert (about[ICMP].type, about[ICMP].id) == (0 if of_reply else 8, 41000)
    else:
        ports = (service.port, 41000) if of_reply else (41000, service.port)
        assert (about.payload.sport, about.payload.dport) == ports


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_equals_the_one_that_scapy_builds(kind: str) -> None:
    made = IcmpError(connection(), THIRD, ONE, of_reply=False, kind=kind).packet(b"mark")
    packet = IP(made)
    del packet.len, packet.chksum, packet[ICMP].chksum
    assert bytes(packet) == made
    assert (packet[ICMP].type, packet[ICMP].code) == KINDS[kind]
    assert kind != "redirect" or packet[ICMP].gw == THIRD.address
