"""Encoding of UDP datagrams with a chosen source address, for raw sockets: pure.

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
    """A received datagram with all that is needed to forward it unchanged.

    Attributes:
        version: 4 or 6, of IP.
        source: address and port of the sender.
        destination: address that the sender used.
        interface: index of the receiving link.
    """

    version: int
    payload: bytes
    source: tuple[str, int]
    destination: str
    interface: int


def sender_of(arrival: Arrival) -> str:
    """Key that counts as one sender: an IPv4 address, or an IPv6 network of 64 bits."""
    address = arrival.source[0]
    return address if arrival.version == 4 else inet_pton(AF_INET6, address.partition("%")[0])[:8].hex()


def packet(arrival: Arrival, port: int) -> bytes:
    """Encode the datagram with all headers, with its own addresses and another destination port."""
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
