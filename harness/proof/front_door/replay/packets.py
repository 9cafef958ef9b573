"""Real packets of a case's datagram, and the reasons why some can't be sent."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from scapy.layers.inet import IP, in4_chksum
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.packet import Raw

from harness.proof.choice import Unreachable
from harness.proof.front_door.cases import Case
from harness.proof.front_door.statements import HEADER_BYTES, IPV4, LOCAL, UDP, UNICAST, Compare, Door
from harness.proof.ruleset import Field

_MULTICAST = 5
_GROUPS = {"ip daddr": int(IPv4Address("239.1.2.3")), "ip6 daddr": int(IPv6Address("ff0e::1234"))}
_PORTS, _LENGTH_AT, _CHECKSUM_AT, _UDP_HEADER = 4, 4, 6, 8
# Headers before the transport header (RFC 8200, section 4).
_EXTENSIONS = (0, 43, 44, 50, 51, 60, 135, 139, 140)


def is_of_ipv4(case: Case) -> bool:
    """True if a datagram is one of IPv4."""
    return case.fields["meta nfproto"] == IPV4


def ends_of(case: Case) -> tuple[int, int]:
    """Source and destination.

    Raises:
        Unreachable: no address has the type that the destination should have.
    """
    family = "ip" if is_of_ipv4(case) else "ip6"
    source, destination = case.fields[f"{family} saddr"], case.fields[f"{family} daddr"]
    for end, address in (("daddr", destination), ("saddr", source)):
        kind = case.fields[f"fib {end} type"]
        if kind == _MULTICAST and end == "daddr" and f"{family} daddr" not in case.asked:
            destination = _GROUPS[f"{family} daddr"]
        elif kind not in (LOCAL, UNICAST) and f"fib {end} type" in case.asked:
            raise Unreachable(f"an address of the type {kind}")
        elif not _is_ordinary(address, family):
            raise Unreachable("an address that no host has")
    if source == destination:
        raise Unreachable("source and destination are the same address")
    return source, destination


def _is_ordinary(address: int, family: str) -> bool:
    parsed = IPv4Address(address) if family == "ip" else IPv6Address(address)
    return not (parsed.is_multicast or parsed.is_loopback or parsed.is_unspecified or parsed.is_link_local) and (
        address != 0xFFFF_FFFF
    )


def packet_of(case: Case, door: Door) -> bytes:
    """The packet itself. What rules do not tell apart fits together, so that a socket takes it.

    Raises:
        Unreachable: there is no such packet.
    """
    source, destination = ends_of(case)
    protocol = case.fields["meta l4proto"]
    if protocol in _EXTENSIONS and not is_of_ipv4(case):
        raise Unreachable("a protocol that IPv6 has before others")
    body = bytearray(case.header[: case.readable])
    if protocol == UDP and case.readable >= _UDP_HEADER:
        compared = {
            each.right for each in door.statements() if isinstance(each, Compare) and each.left == Field("udp length")
        }
        (length,) = struct.unpack_from("!H", body, _LENGTH_AT)
        if case.readable == HEADER_BYTES and length in compared and length > HEADER_BYTES:
            body += bytes(length - HEADER_BYTES)
        elif length not in compared and len(body) not in compared:
            struct.pack_into("!H", body, _LENGTH_AT, len(body))
        body[_CHECKSUM_AT:_UDP_HEADER] = bytes(2)
    has_checksum = protocol == UDP and case.readable >= _UDP_HEADER
    if is_of_ipv4(case):
        of_ipv4 = IP(src=str(IPv4Address(source)), dst=str(IPv4Address(destination)), proto=protocol, id=1)
        if has_checksum:
            # Without one, what a rule writes to a port would make it wrong (net/netfilter/nft_payload.c).
            checksum = in4_chksum(UDP, of_ipv4, bytes(body)) or 0xFFFF
            struct.pack_into("!H", body, _CHECKSUM_AT, checksum)
        return bytes(of_ipv4 / Raw(bytes(body)))
    of_ipv6 = IPv6(src=str(IPv6Address(source)), dst=str(IPv6Address(destination)), nh=protocol)
    if has_checksum:
        checksum = in6_chksum(UDP, of_ipv6, bytes(body)) or 0xFFFF  # type: ignore[no-untyped-call]
        struct.pack_into("!H", body, _CHECKSUM_AT, checksum)
    return bytes(of_ipv6 / Raw(bytes(body)))


def ports_of(packet: bytes) -> tuple[int, int] | None:
    """Source and destination port of a packet; None if it is too short."""
    body = packet[20:] if packet[0] >> 4 == 4 else packet[40:]
    return struct.unpack_from("!HH", body) if len(body) >= _PORTS else None
