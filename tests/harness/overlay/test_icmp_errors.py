"""ICMP errors: their bytes, and the verdict of the policy's definition on each."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from harness.overlay import icmp_errors
from harness.overlay.icmp_errors import KINDS, IcmpError, QuotedConnection
from harness.overlay.mesh import Rule
from harness.overlay.truth import CellKey, PortProtocol
from harness.wire import packets
from tests.harness.overlay.test_truth import ONE, TWO, machine
from tests.harness.wire.test_packets import total

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
def test_an_error_is_from_an_endpoint_if_it_returns_to_the_quoted_packets_sender(of_reply: bool) -> None:
    own = [
        (each.sender, each.receiver)
        for each in icmp_errors.about([connection()], (ONE, TWO, THIRD))
        if each.is_from_endpoint and each.of_reply is of_reply and each.kind == "redirect"
    ]
    assert own == [(ONE, TWO) if of_reply else (TWO, ONE)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_from_an_endpoint_has_the_verdict_of_its_connection(kind: str) -> None:
    error = IcmpError(connection(), TWO, ONE, of_reply=False, kind=kind)
    wanted = kind not in ("redirect", "source quench")
    assert error.is_delivered("allow", []) is wanted
    assert not error.is_delivered("deny", [])
    assert not error.is_delivered("allow", [DENIED])
    # What the second machine may open toward the first is no matter.
    assert error.is_delivered("deny", [{**DENIED, "action": "allow"}]) is wanted
    assert not IcmpError(connection(), THIRD, ONE, of_reply=False, kind=kind).is_delivered("allow", [])


@pytest.mark.parametrize("service", SERVICES, ids=str)
@pytest.mark.parametrize("of_reply", [False, True])
def test_an_error_quotes_a_packet_as_a_kernel_does(service: PortProtocol, of_reply: bool) -> None:
    packet = IcmpError(connection(service), THIRD, ONE, of_reply, "too long").packet(b"mark")
    assert (packet[9], packet[12:16], packet[16:20]) == (
        packets.ICMP,
        IPv4Address(THIRD.address).packed,
        IPv4Address(ONE.address).packed,
    )
    assert total(packet[:20]) == total(packet[20:]) == 0
    assert packet[20:22] == b"\x03\x04"
    quoted, mark = packet[28:56], packet[56:]
    assert mark == b"mark"
    ends = [IPv4Address(end.address).packed for end in ((TWO, ONE) if of_reply else (ONE, TWO))]
    assert [quoted[12:16], quoted[16:20]] == ends
    if service.port is None:
        assert quoted[20] == (0 if of_reply else 8)
        assert struct.unpack_from("!H", quoted, 24) == (41000,)
    else:
        ports = (service.port, 41000) if of_reply else (41000, service.port)
        assert struct.unpack_from("!HH", quoted, 20) == ports
