"""Packets on the Ethernet links below the tunnels, told by captures: machines may speak with the hub's port alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP

if TYPE_CHECKING:
    from scapy.packet import Packet

_DATA = 4  # https://www.wireguard.com/protocol/: the first byte of a message tells its kind.
_INITIATION = 1
_OVERHEAD, _BLOCK = 32, 16
_IP, _ICMP = 20, 8


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
    """Number of WireGuard messages of data of that length, by leg."""
    found: Counter[Leg] = Counter()
    for ip, udp in _datagrams(packets):
        message = bytes(udp.payload)
        if len(message) == length and message[0] == _DATA:
            found[Leg(ip.src, ip.dst, udp.dport if ip.dst == hub else udp.sport)] += 1
    return found


def initiations(packets: Iterable[Packet], source: str) -> int:
    """Number of handshakes that were begun from that address."""
    return sum(ip.src == source and bytes(udp.payload)[:1] == bytes([_INITIATION]) for ip, udp in _datagrams(packets))


def direct(packets: Iterable[Packet], machines: Collection[str]) -> list[str]:
    """Packets from one of these addresses to another of them, and questions where another is (ARP)."""
    return [
        packet.summary()
        for packet in packets
        for source, destination in _ends(packet)
        if source in machines and destination in machines and source != destination
    ]


def astray(packets: Iterable[Packet], machines: Collection[str], hub: str, port: int) -> list[str]:
    """IP packets from or to one of these addresses whose other end is not that UDP port of the hub."""
    return [
        packet.summary()
        for packet in packets
        if isinstance(ip := packet.payload, IP | IPv6)
        and (ip.src in machines or ip.dst in machines)
        and not (
            isinstance(udp := ip.payload, UDP)
            and (hub, port) == ((ip.dst, udp.dport) if ip.src in machines else (ip.src, udp.sport))
        )
    ]


def _datagrams(packets: Iterable[Packet]) -> Iterable[tuple[Packet, Packet]]:
    """IP and UDP of the packets that have both, the outermost."""
    for packet in packets:
        if isinstance(packet.payload, IP | IPv6) and isinstance(packet.payload.payload, UDP):
            yield packet.payload, packet.payload.payload


def _ends(packet: Packet) -> Iterable[tuple[str, str]]:
    """Addresses that a packet is from and to, or that ask for each other; none of other protocols."""
    if isinstance(packet.payload, ARP):
        yield packet.payload.psrc, packet.payload.pdst
    elif isinstance(packet.payload, IP | IPv6):
        yield packet.payload.src, packet.payload.dst
