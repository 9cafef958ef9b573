"""Connections that a machine opens with itself: their packets, and the program that sends them."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.hostile import conntrack, openers, programs
from harness.judging.verdicts import Inconclusive
from tests.harness.hostile.test_reads import Starter

ADDRESS = "10.100.0.2"


def total(data: bytes) -> int:
    """Returns the Internet checksum of data that includes its checksum: 0 if it is right (RFC 1071)."""
    data += bytes(len(data) % 2)
    summed: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while summed >> 16:
        summed = (summed & 0xFFFF) + (summed >> 16)
    return ~summed & 0xFFFF


@given(st.integers(0, 2**26))
def test_a_handshake_is_whole_and_well_formed(number: int) -> None:
    packets = openers.handshake(ADDRESS, number)
    assert [total(packet[:20]) for packet in packets] == [0, 0, 0]
    first, answer, last = (packet[20:] for packet in packets)
    pseudo = 2 * socket.inet_aton(ADDRESS) + struct.pack("!HH", 6, 20)
    for segment in (first, answer, last):
        assert total(pseudo + segment) == 0
    assert [segment[13] for segment in (first, answer, last)] == [0x02, 0x12, 0x10]
    assert first[:4] == last[:4] == answer[2:4] + answer[:2]
    sequence, acknowledged = struct.unpack_from("!II", answer, 4)
    assert acknowledged == struct.unpack_from("!I", first, 4)[0] + 1
    assert struct.unpack_from("!II", last, 4) == (acknowledged, sequence + 1)


def test_no_two_connections_have_the_same_ports_in_either_order() -> None:
    seen = [openers.ports(number) for number in range(0, 60_000_000, 499)]
    assert len(set(seen) | {(there, here) for here, there in seen}) == 2 * len(seen)
    assert all(0 < port < 65536 for pair in seen for port in pair)


def test_no_connection_opened_is_inconclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "READY_S", 0.5)
    with (
        pytest.raises(Inconclusive),
        conntrack.opening(Starter(tmp_path), ADDRESS, "no-such-link"),
    ):
        pass
