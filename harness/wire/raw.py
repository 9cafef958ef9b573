"""Packets made by hand, sent out of a link by a raw socket."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from netlab import Host


@dataclass(frozen=True)
class Probe:
    """One attempt.

    Attributes:
        name: what it tries, in words.
        destination: where its packets are addressed to.
        packets: with the mark of its number in each.
    """

    name: str
    destination: str
    packets: Sequence[bytes]


def send(host: Host, link: str, tried: Iterable[Probe]) -> None:
    """Sends probes out of one link of a host, whatever its routes say."""
    with host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for probe in tried:
            for packet in probe.packets:
                # What the sender's own kernel refuses gets nowhere, as the witnesses will tell.
                with suppress(OSError):
                    sender.sendto(packet, (probe.destination, 0))
