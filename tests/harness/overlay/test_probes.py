"""Probes of truth tables: their bytes, and the choice of them."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP

from harness.overlay.mesh import Rule
from harness.overlay.probes import MOST_BORDERS, Chooser, Probe
from harness.overlay.truth import CellKey, PortProtocol
from tests.harness.overlay.test_truth import ONE, TWO, machine

MARK = b"twelve bytes"
MACHINES = (ONE, TWO, machine(3))
SERVICES = (PortProtocol("tcp", 22), PortProtocol("udp", 53), PortProtocol("icmp"))
RANGE: Rule = {
    "action": "deny",
    "source": "machine:m1",
    "destination": "any",
    "protocol": "tcp",
    "ports": "100-200",
}


def probe(service: PortProtocol, own: int = 700) -> Probe:
    """Returns a probe from the first machine to the second."""
    return Probe(CellKey(ONE, TWO, service), own)


def parsed(packet: bytes | None, source: str = ONE.address, destination: str = TWO.address) -> IP:
    """Returns a packet that has these ends, a mark and right checksums."""
    assert packet is not None
    found = IP(packet)
    assert (found.src, found.dst, found.len) == (source, destination, len(packet))
    assert packet.endswith(MARK)
    again = IP(packet)
    if TCP in again:
        del again[TCP].chksum
        assert bytes(again)[20:] == packet[20:]
    if ICMP in again:
        del again[ICMP].chksum
        assert bytes(again)[20:] == packet[20:]
    return found


def test_a_segment_opens_a_connection() -> None:
    segment = parsed(probe(PortProtocol("tcp", 22)).packet(MARK))[TCP]
    assert (segment.sport, segment.dport, str(segment.flags)) == (700, 22, "S")


def test_the_answer_to_a_segment_is_its_kernels_own() -> None:
    opening = probe(PortProtocol("tcp", 22))
    assert opening.answer(MARK) is None
    reply = bytes(IP(src=TWO.address, dst=ONE.address) / TCP(sport=22, dport=700, flags="RA"))
    assert reply[12:24] == opening.segment_ends


def test_a_datagram_is_answered_between_the_same_ports() -> None:
    asked = probe(PortProtocol("udp", 53))
    there, back = parsed(asked.packet(MARK))[UDP], parsed(asked.answer(MARK), TWO.address, ONE.address)[UDP]
    assert (there.sport, there.dport) == (back.dport, back.sport) == (700, 53)


def test_a_ping_is_answered_by_its_identifier() -> None:
    asked = probe(PortProtocol("icmp"))
    there, back = parsed(asked.packet(MARK))[ICMP], parsed(asked.answer(MARK), TWO.address, ONE.address)[ICMP]
    assert (there.type, there.id, back.type, back.id) == (8, 700, 0, 700)


@pytest.mark.parametrize("kind", [0, 13, 42, 255])
def test_a_message_has_its_icmp_type(kind: int) -> None:
    message = probe(PortProtocol("icmp", kind=kind))
    assert message.packet(MARK)[20] == kind
    assert not message.has_answer


@pytest.mark.parametrize("number", [0, 47, 255])
def test_another_protocol_has_its_number(number: int) -> None:
    other = probe(PortProtocol(str(number)), 0)
    assert parsed(other.packet(MARK)).proto == number
    assert not other.has_answer


def chosen(rules: list[Rule], tables: int = 1, parts: int = 1) -> list[Probe]:
    """Returns the probes of some tables."""
    chooser = Chooser(random.Random("probes"), parts)
    return [each for _ in range(tables) for each in chooser.probes(MACHINES, SERVICES, rules)]


def test_every_pair_is_asked_for_every_service() -> None:
    found = chosen([])
    for pair in permutations(MACHINES, 2):
        for service in SERVICES:
            own = [each.own for each in found if each.cell == CellKey(*pair, service)]
            assert len(own) == (1 if service.port is None else 2)
            assert service.port is None or min(own) < 1024 < max(own)


@pytest.mark.parametrize("parts", [1, 8])
def test_every_protocol_and_every_kind_of_icmp_is_there(parts: int) -> None:
    services = [each.cell.service for each in chosen([], tables=parts, parts=parts)]
    assert sum(each.kind is not None for each in services) == 255
    protocols = {int(each.protocol) for each in services if each.protocol.isdecimal()}
    assert protocols == set(range(256)) - {1, 6, 17}
    assert {each.kind for each in services if each.kind is not None} == set(range(256)) - {8}


def test_ports_of_rules_are_asked_for_where_they_begin_and_end() -> None:
    found = [each.cell for each in chosen([RANGE]) if each.is_border]
    assert {each.service.port for each in found} == {99, 100, 200, 201}
    assert {each.service.protocol for each in found} == {"tcp", "udp"}
    assert {each.source for each in found} == {ONE}


def test_a_table_of_many_ports_is_bounded() -> None:
    many: Rule = {**RANGE, "ports": ",".join(str(10 * port) for port in range(1, 400))}
    assert sum(each.is_border for each in chosen([many])) == MOST_BORDERS


def test_no_probe_looks_like_an_answer_to_an_earlier_one() -> None:
    asked = set()
    for each in chosen([RANGE], tables=40):
        ends, service = (each.cell.source.address, each.cell.destination.address), each.cell.service
        own, port = each.own, service.port or 0
        if service.protocol != "icmp":
            assert (*reversed(ends), service.protocol, port, own) not in asked
        asked.add((*ends, service.protocol, own, port))


def test_no_low_port_is_used_again_before_all_others() -> None:
    low = [each.own for each in chosen([], tables=85) if each.cell.service.port and each.own < 1024]
    assert len(set(low)) == len(low) > 1000


def test_one_machine_has_no_table() -> None:
    assert Chooser(random.Random("probes")).probes(MACHINES[:1], SERVICES, []) == []
