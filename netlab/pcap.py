"""Reads classic pcap files, as far as a lab needs: who spoke to whom, and what."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Link types, see https://www.tcpdump.org/linktypes.html: bytes before the network header.
_HEADERS = {0: 4, 1: 14, 12: 0, 101: 0, 113: 16, 228: 0, 229: 0, 276: 20}
_ETHERNET = 1
_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_NAMES = {_ICMP: "icmp", _TCP: "tcp", _UDP: "udp", _ICMPV6: "icmpv6"}


@dataclass(frozen=True)
class Packet:
    """A captured IP packet, or another frame.

    Attributes:
        time: Unix time in seconds.
        src: source address, empty if it isn't IP.
        dst: destination address, likewise.
        proto: `icmp`, `icmpv6`, `tcp`, `udp`, another IP protocol's number, or `other` for frames without IP.
        sport: source port, 0 without ports (and in all but the first fragment).
        dport: destination port, likewise.
        length: bytes on the wire, with link header.
        payload: what follows the transport header (TCP, UDP) or the IP header, as far as it was captured.
    """

    time: float
    src: str
    dst: str
    proto: str
    sport: int
    dport: int
    length: int
    payload: bytes


def read(data: bytes) -> list[Packet]:
    """Reads a capture file; a last record that is still being written is left out.

    Raises:
        ValueError: it isn't a classic pcap file, or of a link type unknown here.
    """
    return list(_records(data))


def _records(data: bytes) -> Iterator[Packet]:
    if len(data) < 24:
        return
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    if order is None:
        raise ValueError("not a classic pcap file with microseconds")
    link_type = struct.unpack_from(f"{order}I", data, 20)[0] & 0x0FFFFFFF
    if link_type not in _HEADERS:
        raise ValueError(f"unknown link type {link_type}")
    position = 24
    while position + 16 <= len(data):
        seconds, micros, captured, length = struct.unpack_from(f"{order}IIII", data, position)
        position += 16
        if position + captured > len(data):
            return
        frame = data[position : position + captured]
        position += captured
        yield _packet(frame, link_type, seconds + micros / 1e6, length)


def _packet(frame: bytes, link_type: int, when: float, length: int) -> Packet:
    offset = _HEADERS[link_type]
    # One VLAN tag at most.
    if link_type == _ETHERNET and frame[12:14] == b"\x81\x00":
        offset += 4
    is_ip = link_type != _ETHERNET or frame[offset - 2 : offset] in (b"\x08\x00", b"\x86\xdd")
    ip = frame[offset:]
    version = ip[0] >> 4 if ip and is_ip else 0
    if version == 4 and len(ip) >= 20:
        header, protocol = (ip[0] & 15) * 4, ip[9]
        first = struct.unpack_from("!H", ip, 6)[0] & 0x1FFF == 0
        src, dst = str(ipaddress.IPv4Address(ip[12:16])), str(ipaddress.IPv4Address(ip[16:20]))
        # A short Ethernet frame is padded: the IP header knows better where the packet ends. (0: segmentation offload.)
        total = struct.unpack_from("!H", ip, 2)[0] or len(ip)
    elif version == 6 and len(ip) >= 40:
        header, protocol, first = 40, ip[6], True
        src, dst = str(ipaddress.IPv6Address(ip[8:24])), str(ipaddress.IPv6Address(ip[24:40]))
        total = struct.unpack_from("!H", ip, 4)[0] + 40
    else:
        return Packet(when, "", "", "other", 0, 0, length, ip)
    body = ip[header:total]
    sport = dport = 0
    if first and protocol == _UDP and len(body) >= 8:
        sport, dport = struct.unpack_from("!HH", body)
        body = body[8:]
    elif first and protocol == _TCP and len(body) >= 20:
        sport, dport = struct.unpack_from("!HH", body)
        body = body[(body[12] >> 4) * 4 :]
    return Packet(when, src, dst, _NAMES.get(protocol, str(protocol)), sport, dport, length, body)
