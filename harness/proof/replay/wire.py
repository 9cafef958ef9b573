"""Packets into a namespace, and all that its links carry meanwhile, in the kernel's order."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from harness.proof.replay.errors import Unreplayable
from harness.proof.replay.namespace import OWN_MARK

# <linux/if_ether.h>, <linux/if_packet.h>, <asm-generic/socket.h>
_ALL_PROTOCOLS, _IPV4, _IPV6 = 0x0003, 0x0800, 0x86DD
_OUTGOING = 4
_TIMESTAMP_NS = 35
_TIMESPEC = struct.Struct("=qq")
# The ring of a TUN and the buffer of a socket hold more.
_AT_ONCE = 32
_DEADLINE_S = 10.0
# An IPv6 packet from the loopback address: the kernel discards it before any hook (net/ipv6/ip6_input.c,
# `ip6_rcv_core`), after those have seen it who capture.
_LOOPBACK = bytes(15) + b"\1"
_FENCE = struct.pack("!IHBB", 6 << 28, 0, 59, 1) + 2 * _LOOPBACK

Way = int | None | Callable[[bytes], None]


@dataclass(frozen=True)
class Captured:
    """A packet on a link.

    Attributes:
        at: wall-clock time in seconds.
        is_out: it left the namespace, or arrived there.
    """

    at: float
    link: str
    is_out: bool
    packet: bytes


class Wire:
    """The links of a namespace. Made and used in one thread there.

    Args:
        links: descriptors of its TUNs by index.
    """

    def __init__(self, links: Mapping[int, int]) -> None:
        self._links = links
        # The kernel works off in order what one processor was given.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        self._capture = socket.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.htons(_ALL_PROTOCOLS)
        )
        self._capture.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)
        self._capture.settimeout(_DEADLINE_S)
        self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, OWN_MARK)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self._capture.close()
        self._raw.close()

    def send(self, packets: Sequence[tuple[Way, bytes]]) -> list[Captured]:
        """Sends packets and returns all that was on any link meanwhile.

        Args:
            packets: each with the index of the link by which it arrives; None is the host itself. Or with a function
                that sends it.

        Raises:
            Unreplayable: the kernel took a packet for none, or gives no capture.
        """
        seen: list[Captured] = []
        for at in range(0, max(1, len(packets)), _AT_ONCE):
            for link, packet in packets[at : at + _AT_ONCE]:
                self._send(link, packet)
            os.write(next(iter(self._links.values())), _FENCE)
            seen += self._until_fence()
            self._drain()
        return seen

    def _send(self, link: Way, packet: bytes) -> None:
        if callable(link):
            link(packet)
        elif link is None:
            # A send to no route, or one that is refused, shows later: the connection is not there.
            with contextlib.suppress(OSError):
                self._raw.sendto(packet, (str(IPv4Address(packet[16:20])), 0))
        else:
            os.write(self._links[link], packet)

    def _until_fence(self) -> Iterable[Captured]:
        while True:
            try:
                packet, ancillary, _, (link, protocol, kind, *_) = self._capture.recvmsg(65536, 64)
            except TimeoutError as error:
                raise Unreplayable("The namespace's links carried nothing for ten seconds.") from error
            if packet == _FENCE:
                return
            if protocol in (_IPV4, _IPV6):
                seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
                yield Captured(seconds + nanoseconds / 1e9, link, kind == _OUTGOING, packet)

    def _drain(self) -> None:
        """Takes what left by the TUNs, so that there is room for more."""
        for descriptor in self._links.values():
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.read(descriptor, 65536)
