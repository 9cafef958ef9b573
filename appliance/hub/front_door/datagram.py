"""UDP datagrams with a source of one's choice, as raw sockets take them: pure.

Sources: RFC 768, RFC 791 (section 3.1), RFC 8200 (sections 3 and 8.1).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_pton

_UDP = 17
_HOPS = 64
_UDP_HEADER = struct.Struct("!HHHH")
_IPV4_HEADER = struct.Struct("!BBHHHBBH4s4s")
_IPV6_HEADER = struct.Struct("!IHBB16s16s")


@dataclass(frozen=True)
class Arrival:
    """A datagram that came in, with what is needed to pass it on as it was.

    Attributes:
        version: 4 or 6, of IP.
        source: address and port that it came from.
        destination: the address that it was sent to.
        interface: index of the link that it came in by.
    """

    version: int
    payload: bytes
    source: tuple[str, int]
    destination: str
    interface: int


def neighbourhood(arrival: Arrival) -> str:
    """What is taken for one sender: an address of IPv4, a network of 64 bits of IPv6."""
    address = arrival.source[0]
    return address if arrival.version == 4 else inet_pton(AF_INET6, address.partition("%")[0])[:8].hex()


def packet(arrival: Arrival, port: int) -> bytes:
    """The datagram from its own source to its own destination, but to another port; with all headers."""
    family = AF_INET if arrival.version == 4 else AF_INET6
    source = inet_pton(family, arrival.source[0].partition("%")[0])
    destination = inet_pton(family, arrival.destination.partition("%")[0])
    length = _UDP_HEADER.size + len(arrival.payload)
    if arrival.version == 4:
        # The kernel fills in identification and checksum (raw(7)).
        head = _IPV4_HEADER.pack(0x45, 0, 20 + length, 0, 0, _HOPS, _UDP, 0, source, destination)
    else:
        head = _IPV6_HEADER.pack(6 << 28, length, _UDP, _HOPS, source, destination)
    udp = _UDP_HEADER.pack(arrival.source[1], port, length, 0) + arrival.payload
    sum_ = checksum(source + destination + struct.pack("!HH", _UDP, length) + udp)
    # A sum of zero means "none" in UDP; its other form stands for it.
    return b"".join((head, udp[:6], (sum_ or 0xFFFF).to_bytes(2, "big"), udp[8:]))


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
