"""IPv4 packets as a customer's program may make them, down to options and forged errors. Pure.

Sources: RFC 791 (header, source route), RFC 792 (ICMP), RFC 768, RFC 9293.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

ICMP, IPIP, TCP, UDP, GRE, ESP = 1, 4, 6, 17, 47, 50
_SOURCE_PORT = 40000
_SYN = 0x02
_ECHO_REPLY = 0
_MORE_FRAGMENTS = 0x2000


def ipv4(
    source: str,
    destination: str,
    protocol: int,
    body: bytes,
    *,
    ttl: int = 64,
    options: bytes = b"",
    identification: int = 0,
    fragment: int = 0,
) -> bytes:
    """A packet with its header.

    Args:
        options: padded to words of four bytes here.
        fragment: flags and offset, as in the header.
    """
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4
    head = struct.pack(
        "!BBHHHBBH4s4s",
        4 << 4 | words,
        0,
        4 * words + len(body),
        identification,
        fragment,
        ttl,
        protocol,
        0,
        IPv4Address(source).packed,
        IPv4Address(destination).packed,
    )
    return _with_checksum(head + options, 10) + body


def udp(source: str, destination: str, port: int, payload: bytes, *, source_port: int = _SOURCE_PORT) -> bytes:
    """A UDP datagram without its IP header."""
    length = 8 + len(payload)
    datagram = struct.pack("!HHHH", source_port, port, length, 0) + payload
    return _with_checksum(datagram, 6, _pseudo_header(source, destination, UDP, length))


def tcp_syn(source: str, destination: str, port: int, payload: bytes) -> bytes:
    """The first segment of a connection; it may carry data (RFC 9293, section 3.4)."""
    segment = struct.pack("!HHIIBBHHH", _SOURCE_PORT, port, 1, 0, 5 << 4, _SYN, 65535, 0, 0) + payload
    return _with_checksum(segment, 16, _pseudo_header(source, destination, TCP, len(segment)))


def icmp(kind: int, code: int, rest: bytes, payload: bytes) -> bytes:
    """An ICMP message.

    Args:
        rest: the four bytes whose meaning depends on the kind.
    """
    return _with_checksum(struct.pack("!BBH4s", kind, code, 0, rest) + payload, 2)


def loose_source_route(*hops: str) -> bytes:
    """The option that asks routers to send a packet by way of these (type 131), where the destination is the first."""
    route = b"".join(IPv4Address(hop).packed for hop in hops)
    return struct.pack("!BBB", 131, 3 + len(route), 4) + route


def fragments(source: str, destination: str, protocol: int, body: bytes, first: int) -> tuple[bytes, bytes]:
    """One packet in two pieces.

    Args:
        first: bytes of the body in the first piece, a multiple of 8.
    """
    pieces = (body[:first], _MORE_FRAGMENTS), (body[first:], first // 8)
    one, other = (
        ipv4(source, destination, protocol, part, identification=0x6D77, fragment=fragment) for part, fragment in pieces
    )
    return one, other


def source(packet: bytes) -> str:
    """The address that an IPv4 packet says it is from."""
    return str(IPv4Address(packet[12:16]))


def is_echo_reply(packet: bytes) -> bool:
    """Whether an IPv4 packet is the answer to a ping."""
    header = (packet[0] & 0x0F) * 4
    return packet[0] >> 4 == 4 and packet[9] == ICMP and packet[header] == _ECHO_REPLY


def _pseudo_header(source: str, destination: str, protocol: int, length: int) -> bytes:
    return IPv4Address(source).packed + IPv4Address(destination).packed + struct.pack("!xBH", protocol, length)


def _with_checksum(data: bytes, place: int, covered_too: bytes = b"") -> bytes:
    covered = covered_too + data
    covered += bytes(len(covered) % 2)
    total = sum(struct.unpack(f"!{len(covered) // 2}H", covered))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return data[:place] + struct.pack("!H", ~total & 0xFFFF) + data[place + 2 :]
