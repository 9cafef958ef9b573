"""Volleys of marked packets, many in a short time, of which none may arrive."""

from __future__ import annotations

from scapy.layers.inet import IP, UDP

from harness.judging.record import Record
from harness.overlay.machine import Machine
from harness.wire import raw
from harness.wire.witness import Marks, Witness

_AT_ONCE = 40
"""Packets that are sent in a row: no more than fit into a tunnel's smallest buffer."""
_PORT = 9
_IP, _UDP = 20, 8
"""Bytes of the headers."""
_ROUNDS = 3


def delivered(source: Machine, destination: Machine, packets: int) -> list[int]:
    """Sends UDP packets, and returns the numbers of those that came out of the destination's tunnel.

    Args:
        packets: number of packets, at most 65,536.
    """
    marks = Marks()
    with Witness(destination.host, destination.tunnel.interface, f"udp dst port {_PORT}") as witness:
        ip = IP(src=source.address, dst=destination.address, len=_IP + _UDP + len(marks.mark(0)))
        # Without a checksum, as IPv4 permits, all have the same header.
        udp = UDP(sport=raw.SOURCE_PORT, dport=_PORT, len=_UDP + len(marks.mark(0)), chksum=0)
        header = bytes(ip / udp)
        for first in range(0, packets, _AT_ONCE):
            numbers = range(first, min(packets, first + _AT_ONCE))
            raw.send(source.host, source.tunnel.interface, [header + marks.mark(number) for number in numbers])
            source.fence()
        # A tunnel keeps its packets in order, so what the hub let through comes before the answers to these.
        for _ in range(_ROUNDS):
            source.fence()
            destination.fence()
        return sorted(witness.marks(marks))


def none_arrives(record: Record, source: Machine, destination: Machine, packets: int) -> None:
    """Sends UDP packets that the policy denies.

    Raises:
        Refuted: one was delivered.
    """
    record.none_of(
        "packets of volleys delivered although denied",
        delivered(source, destination, packets),
        f"{source.name}→{destination.name}: packets of a volley were delivered although denied",
        of=packets,
    )
