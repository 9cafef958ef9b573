"""What passes on the links below the tunnels: who speaks to whom there, told by captures."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from netlab import Packet

_DATA = 4  # https://www.wireguard.com/protocol/: the first byte of a message tells its kind.
_INITIATION = 1
_OVERHEAD, _BLOCK = 32, 16
_IP, _ICMP = 20, 8
_ARP_OVER_ETHERNET = b"\x00\x01\x08\x00"


@dataclass(frozen=True)
class Leg:
    """One direction of a link between a machine and the hub, with the hub's port."""

    source: str
    destination: str
    hub_port: int


def message_of_ping(payload: int) -> int:
    """Bytes of the WireGuard message that carries an echo request or reply with that many bytes of payload."""
    inner = _IP + _ICMP + payload
    return _OVERHEAD + -(-inner // _BLOCK) * _BLOCK


def messages(packets: Iterable[Packet], hub: str, length: int) -> Counter[Leg]:
    """How many WireGuard messages of data of that length there are, by leg."""
    found: Counter[Leg] = Counter()
    for packet in packets:
        if packet.proto == "udp" and len(packet.payload) == length and packet.payload[0] == _DATA:
            port = packet.dport if packet.dst == hub else packet.sport
            found[Leg(packet.src, packet.dst, port)] += 1
    return found


def initiations(packets: Iterable[Packet], source: str) -> int:
    """How many handshakes were begun from that address."""
    return sum(p.proto == "udp" and p.src == source and p.payload[:1] == bytes([_INITIATION]) for p in packets)


def direct(packets: Iterable[Packet], machines: Collection[str]) -> list[str]:
    """Packets from one of these addresses to another of them, and questions where another is (ARP)."""
    return [
        f"{source} to {destination} ({what})"
        for source, destination, what in map(_ends, packets)
        if source in machines and destination in machines and source != destination
    ]


def astray(packets: Iterable[Packet], machines: Collection[str], hub: str, port: int) -> list[str]:
    """Packets from or to one of these addresses whose other end is not that UDP port of the hub."""
    return [
        f"{packet.src}:{packet.sport} to {packet.dst}:{packet.dport} ({packet.proto})"
        for packet in packets
        if (packet.src in machines or packet.dst in machines)
        and (packet.proto, *((packet.dst, packet.dport) if packet.src in machines else (packet.src, packet.sport)))
        != ("udp", hub, port)
    ]


def _ends(packet: Packet) -> tuple[str, str, str]:
    if packet.proto == "other" and packet.payload.startswith(_ARP_OVER_ETHERNET):
        source, destination = packet.payload[14:18], packet.payload[24:28]
        return str(ipaddress.IPv4Address(source)), str(ipaddress.IPv4Address(destination)), "arp"
    return packet.src, packet.dst, packet.proto
