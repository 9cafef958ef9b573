"""Fragments that wait for the rest of their packet: they hold little memory of the host, and not for long."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.hub.front_door.datagram import checksum
from appliance.hub.kernel import namespace
from appliance.model.policy import Action, Policy
from tests.appliance.hub.ruled import Kernel, members, state_of
from tests.appliance.hub.wire import ip
from tests.waiting import wait_until

FIRST, SECOND, THIRD = members(3)
_MORE = 0x2000
_MOST = 2**20
_LARGEST = 65_500
_PIECE = 1376


@pytest.fixture
def open_mesh(kernel: Kernel) -> Kernel:
    """Provides a namespace whose rules allow everything."""
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(Action.ALLOW)))
    return kernel


def beginning(number: int) -> bytes:
    """Makes the first fragment of a datagram whose rest never comes."""
    begun = ip(FIRST.address, SECOND.address, "udp", struct.pack("!HHHH", 40000, 53, 2000, 0), fragment=_MORE)
    return _numbered(begun, number)


def datagram(size: int) -> Iterator[bytes]:
    """Makes all fragments of a datagram of this size from the third to the second machine."""
    body = struct.pack("!HHHH", 40001, 53, size, 0) + bytes(size - 8)
    for first in range(0, size, _PIECE):
        more = _MORE if first + _PIECE < size else 0
        whole = ip(THIRD.address, SECOND.address, "udp", body[first : first + _PIECE], fragment=first // 8 | more)
        yield _numbered(whole, 7)


def _numbered(packet: bytes, number: int) -> bytes:
    """Gives a packet another identification; the kernel checks the sum of the header."""
    head = bytearray(packet[:20])
    head[4:6] = struct.pack("!H", number)
    head[10:12] = b"\0\0"
    return bytes(head[:10]) + struct.pack("!H", checksum(bytes(head))) + bytes(head[12:]) + packet[20:]


def held(kernel: Kernel) -> tuple[int, int]:
    """Returns how many datagrams of the namespace wait for their rest, and the memory of that in bytes."""
    with namespace.entered(kernel.wire.names.namespace):
        lines = Path("/proc/thread-self/net/sockstat").read_text().splitlines()
    (found,) = (line.split() for line in lines if line.startswith("FRAG:"))
    return int(found[2]), int(found[4])


def test_a_flood_of_beginnings_holds_a_megabyte(open_mesh: Kernel) -> None:
    assert open_mesh.wire.answers(*(beginning(number) for number in range(8000))) == []
    waiting, taken = held(open_mesh)
    assert waiting > 0
    assert _MOST / 2 < taken < _MOST + 2**16


def test_what_a_flood_has_held_is_soon_free(open_mesh: Kernel) -> None:
    """Finds that a neighbour's large datagrams pass again, without another packet of the flood."""
    open_mesh.wire.answers(*(beginning(number) for number in range(8000)))
    with namespace.entered(open_mesh.wire.names.namespace):
        assert int(Path("/proc/sys/net/ipv4/ipfrag_time").read_text()) <= 2
    wait_until(lambda: held(open_mesh) == (0, 0))
    assert len(open_mesh.wire.answers(*datagram(5000))) > 0


def test_datagrams_of_the_largest_size_pass(open_mesh: Kernel) -> None:
    arrived = open_mesh.wire.answers(*datagram(_LARGEST))
    assert sum(len(packet) - 20 for packet in arrived if packet[16:20] == SECOND.address.packed) == _LARGEST
