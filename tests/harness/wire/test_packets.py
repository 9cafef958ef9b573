"""Packets that are made by hand are well formed, and marks are found again."""

from __future__ import annotations

import socket
import struct

import pytest

from harness.wire import packets
from harness.wire.witness import Marks
from harness.world import outside

A, B, C = "10.100.0.2", "203.0.113.80", "10.100.0.1"


def total(data: bytes) -> int:
    """The Internet checksum of data that has its own in it: 0 if that is right (RFC 1071)."""
    data += bytes(len(data) % 2)
    summed: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while summed >> 16:
        summed = (summed & 0xFFFF) + (summed >> 16)
    return ~summed & 0xFFFF


def pseudo(protocol: int, length: int) -> bytes:
    """What TCP and UDP checksums cover too (RFC 9293, section 3.1)."""
    return socket.inet_aton(A) + socket.inet_aton(B) + bytes([0, protocol]) + struct.pack("!H", length)


@pytest.mark.parametrize("payload", [b"", b"x", b"four"])
def test_checksums_hold(payload: bytes) -> None:
    datagram, segment = packets.udp(A, B, 53, payload), packets.tcp_syn(A, B, 80, payload)
    assert total(pseudo(packets.UDP, len(datagram)) + datagram) == 0
    assert total(pseudo(packets.TCP, len(segment)) + segment) == 0
    assert total(packets.icmp(8, 0, bytes(4), payload)) == 0
    packet = packets.ipv4(A, B, packets.UDP, datagram, ttl=1)
    assert total(packet[:20]) == 0
    assert (packet[8], packet[9], packet[12:16], packet[16:20]) == (1, 17, socket.inet_aton(A), socket.inet_aton(B))
    assert struct.unpack_from("!H", packet, 2)[0] == len(packet)
    assert struct.unpack_from("!HH", datagram, 2) == (53, 8 + len(payload))


def test_a_source_route_is_an_option_of_the_header() -> None:
    packet = packets.ipv4(A, C, packets.UDP, b"body", options=packets.loose_source_route(B))
    header = (packet[0] & 15) * 4
    assert header == 28
    assert packet[20:28] == b"\x83\x07\x04" + socket.inet_aton(B) + b"\x00"
    assert (total(packet[:header]), packet[header:]) == (0, b"body")


def test_fragments_are_one_packet_in_two_pieces() -> None:
    body = bytes(range(250)) * 2
    first, second = packets.fragments(A, B, packets.UDP, body, 256)
    assert first[4:6] == second[4:6] != b"\0\0"
    assert struct.unpack_from("!H", first, 6)[0] == 0x2000
    assert struct.unpack_from("!H", second, 6)[0] * 8 == 256
    assert first[20:] + second[20:] == body


def test_marks_are_found_wherever_they_are_and_no_others() -> None:
    own, other = Marks(), Marks()
    frame = b"\x45" + own.mark(7) + b"between" + own.mark(258) + other.mark(9)
    assert own.within(frame) == {7, 258}
    assert other.within(frame) == {9}
    assert own.within(frame[:11]) == set()


def test_every_attempt_has_its_own_mark() -> None:
    marks = Marks()
    tried = outside.probes(A, "10.100.0.3", C, marks)
    for number, probe in enumerate(tried):
        for packet in probe.packets:
            assert marks.within(packet) == {number}
            assert packet[16:20] == socket.inet_aton(probe.destination)
    assert {each.destination for each in tried} >= {*outside.INTERNET, *outside.EVERYBODY, C}
