"""Numbered packets between two machines, back and forth, and nobody else's among them."""

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
"""Where every machine listens: organizations with equal ranges have equal addresses and ports throughout."""
NUMBERS = 10
_AGAIN_S = 0.1
# Whose packet it is, and its number. Even ones go from the first machine to the second, odd ones back.
_PACKET = struct.Struct("!8sI")


class Unproven(Exception):
    """A number did not arrive, or something else did."""


@dataclass(frozen=True)
class End:
    """A machine: where it runs, and its address in the overlay network."""

    host: Host
    address: str


def converse(first: End, second: End, deadline_s: float) -> int:
    """Passes `NUMBERS` packets between two machines, each when the one before has arrived.

    Only the first one is sent again while it is not heard: it meets tunnels that may still shake hands. Every packet
    carries a token of this conversation, so that one that belongs elsewhere is told from one that is late.

    Args:
        deadline_s: seconds in which all have to arrive.

    Returns:
        The time, in ns on the monotonic clock, at which each had heard the other.

    Raises:
        Unproven: one was not heard, or a machine heard what was not said to it.
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


def _socket(end: End) -> socket.socket:
    made = end.host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.bind((end.address, PORT))
    except OSError as error:
        made.close()
        raise Unproven(f"the machine does not have its address {end.address}: {error.strerror}") from error
    made.setblocking(False)
    return made


def _pass(token: bytes, number: int, ends: Sequence[End], sockets: Sequence[socket.socket], deadline: float) -> bool:
    """Says a number, and waits until it is heard; the first one only for a while."""
    sender, receiver = number % 2, 1 - number % 2
    # What the sender's own kernel refuses is not heard either.
    with suppress(OSError):
        sockets[sender].sendto(_PACKET.pack(token, number), (ends[receiver].address, PORT))
    until = deadline if number else min(deadline, time.monotonic() + _AGAIN_S)
    while (left := until - time.monotonic()) > 0:
        for ready in select.select(sockets, [], [], left)[0]:
            packet, (source, _) = ready.recvfrom(65536)
            listener = sockets.index(ready)
            if _heard(packet, source, token, number, ends, listener) and listener == receiver:
                return True
    return False


def _heard(packet: bytes, source: str, token: bytes, number: int, ends: Sequence[End], listener: int) -> bool:
    """Whether this is the number; False for one that was heard before.

    Raises:
        Unproven: it is nothing that was said to this machine.
    """
    told, heard = _PACKET.unpack(packet) if len(packet) == _PACKET.size else (b"", -1)
    speaker = 1 - listener
    if told != token or heard % 2 != speaker or heard > number or source != ends[speaker].address:
        raise Unproven(f"{ends[listener].address} heard what nobody of its organization said to it, from {source}")
    return bool(heard == number)
