"""Encoding of whole IPv4 packets that the hub makes up itself. Sources: RFC 791, RFC 792."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from appliance.hub.front_door.datagram import checksum

ECHO_REQUEST, ECHO_REPLY = 8, 0
ECHO_HEADER = struct.Struct("!BBHHH")

_HOPS = 64
_IP_HEADER = struct.Struct("!BBHHHBBH4s4s")


def ip(source: IPv4Address, destination: IPv4Address, protocol: int, body: bytes) -> bytes:
    """Encode a packet."""
    length = _IP_HEADER.size + len(body)
    head = _IP_HEADER.pack(0x45, 0, length, 0, 0, _HOPS, protocol, 0, source.packed, destination.packed)
    return with_checksum(head, 10) + body


def echo(kind: int, identifier: int, sequence: int, payload: bytes = b"") -> bytes:
    """Encode an echo message."""
    return with_checksum(ECHO_HEADER.pack(kind, 0, 0, identifier, sequence) + payload, 2)


def with_checksum(body: bytes, at: int, before: bytes = b"") -> bytes:
    """Put the Internet checksum into its place, which holds zeros so far.

    Args:
        before: what the checksum covers too, such as a pseudo header.
    """
    return body[:at] + checksum(before + body).to_bytes(2, "big") + body[at + 2 :]
