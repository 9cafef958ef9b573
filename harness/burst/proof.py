"""Numbered packets between two machines, back and forth, which prove that a mesh works and is separate from others."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from netlab import Host

PORT = 4500
"""Port of every machine: organizations of equal ranges have equal addresses and ports, so that a leak is heard."""
NUMBERS = 10
_AGAIN_S = 0.1
# Token and number. Even numbers go from the first machine to the second, odd ones back.
PACKET = struct.Struct("!8sI")
"""Packet of an exchange: the exchange's token, and the number."""


class Unproven(Exception):
    """A number did not arrive, or a packet arrived that was not sent to this machine."""


@dataclass(frozen=True)
class MeshEndpoint:
    """A machine that exchanges packets.

    Attributes:
        host: host on which it runs.
        address: overlay address.
    """

    host: Host
    address: str


def exchange(first: MeshEndpoint, second: MeshEndpoint, deadline_s: float) -> int:
    """Passes `NUMBERS` packets back and forth between two machines, each once the one before has arrived.

    Only the first is repeated, because tunnels may still shake hands. Every packet has a token of this exchange, which
    tells a packet of another exchange from a late one.

    Args:
        deadline_s: seconds in which all packets have to arrive.

    Returns:
        The time, in ns on the monotonic clock, at which each machine had received a packet.

    Raises:
        Unproven: a packet was lost, or a machine received one that was not sent to it.
    """
    token, deadline = os.urandom(8), time.monotonic() + deadline_s
    ends, heard_ns = (first, second), 0
    with ExitStack() as stack:
        sockets = [stack.enter_context(_socket(end)) for end in ends]
        for number in range(NUMBERS):
            sender = number % 2
            while not _pass(token, number, ends, sockets, deadline):
                if number or time.monotonic() > deadline:
                    raise Unproven(
                        f"{ends[1 - sender].address} heard nothing of {ends[sender].address}, number {number}, "
                        f"in {deadline_s:.0f} s"
                    )
            if number == 1:
                heard_ns = time.monotonic_ns()
    return heard_ns


def _socket(end: MeshEndpoint) -> socket.socket:
    made = end.host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.bind((end.address, PORT))
    except OSError as error:
        made.close()
        raise Unproven(f"the machine does not have its address {end.address}: {error.strerror}") from error
    made.setblocking(False)
    return made


def _pass(
    token: bytes, number: int, ends: Sequence[MeshEndpoint], sockets: Sequence[socket.socket], deadline: float
) -> bool:
    """Sends a number and waits until it arrives; returns False if the first does not for a while."""
    sender, receiver = number % 2, 1 - number % 2
    # A packet that the sender's kernel refuses counts as lost.
    with suppress(OSError):
        sockets[sender].sendto(PACKET.pack(token, number), (ends[receiver].address, PORT))
    until = deadline if number else min(deadline, time.monotonic() + _AGAIN_S)
    listeners = {each.fileno(): place for place, each in enumerate(sockets)}
    # select(2) takes no descriptor above 1023, and a large lab has more.
    arrivals = select.poll()
    for each in listeners:
        arrivals.register(each, select.POLLIN)
    while (left := until - time.monotonic()) > 0:
        for descriptor, _ in arrivals.poll(left * 1000):
            listener = listeners[descriptor]
            packet, (source, _) = sockets[listener].recvfrom(65536)
            if is_expected(packet, source, token, number, ends, listener) and listener == receiver:
                return True
    return False


def is_expected(
    packet: bytes, source: str, token: bytes, number: int, ends: Sequence[MeshEndpoint], listener: int
) -> bool:
    """Returns True for the expected packet, False for one that arrived before.

    Raises:
        Unproven: the packet was not sent to this machine.
    """
    packet_token, heard = PACKET.unpack(packet) if len(packet) == PACKET.size else (b"", -1)
    speaker = 1 - listener
    if packet_token != token or heard % 2 != speaker or heard > number or source != ends[speaker].address:
        raise Unproven(f"{ends[listener].address} received a packet that its organization did not send, from {source}")
    return bool(heard == number)
