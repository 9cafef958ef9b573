"""Captured packets outside the tunnels: machines may exchange packets with the hub's port alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP

if TYPE_CHECKING:
    from scapy.packet import Packet

_DATA = 4  # https://www.wireguard.com/protocol/: the first byte of a message tells its kind.
_INITIATION = 1
_OVERHEAD, _BLOCK = 32, 16
_IP, _ICMP = 20, 8
_OF_THE_LINK = (ICMPv6ND_NS, ICMPv6ND_NA)
"""Messages by which IPv6 finds link addresses, as ARP does for IPv4."""


@dataclass(frozen=True)
class Leg:
    """One direction between a machine and the hub.

    Attributes:
        source: address of the sender.
        destination: address of the receiver.
        hub_port: UDP port of the hub.
    """

    source: str
    destination: str
    hub_port: int


def ping_message_length(payload: int) -> int:
    """Returns the length of the WireGuard message with an echo request or reply of ``payload`` bytes."""
    inner = _IP + _ICMP + payload
    return _OVERHEAD + -(-inner // _BLOCK) * _BLOCK


def messages(packets: Iterable[Packet], hub: str, length: int) -> Counter[Leg]:
    """Counts WireGuard data messages of a length, by leg.

    Args:
        hub: address of the hub.
        length: bytes of the message.
    """
    found: Counter[Leg] = Counter()
    for ip, udp in _datagrams(packets):
        message = bytes(udp.payload)
        if len(message) == length and message[0] == _DATA:
            found[Leg(ip.src, ip.dst, udp.dport if ip.dst == hub else udp.sport)] += 1
    return found


def initiations(packets: Iterable[Packet], source: str) -> int:
    """Counts handshake initiations from an address."""
    return sum(ip.src == source and bytes(udp.payload)[:1] == bytes([_INITIATION]) for ip, udp in _datagrams(packets))


def direct(packets: Iterable[Packet], machines: Collection[str]) -> list[str]:
    """Returns summaries of packets from one machine to another, and of questions of one for another's link address.

    Args:
        machines: underlay addresses of the machines.
    """
    return [
        packet.summary()
        for packet in packets
        for source, destination in _ends(packet)
        if source in machines and destination in machines and source != destination
    ]


def past_the_hub(packets: Iterable[Packet], machines: Collection[str], hub: str, port: int) -> list[str]:
    """Returns summaries of IP packets from or to a machine whose other end is not the hub's port.

    Args:
        machines: underlay addresses of the machines.
        hub: address of the hub.
        port: UDP port of the hub.
    """
    return [
        packet.summary()
        for packet in packets
        if isinstance(ip := packet.payload, IP | IPv6)
        and not any(packet.haslayer(each) for each in _OF_THE_LINK)
        and (ip.src in machines or ip.dst in machines)
        and not (
            isinstance(udp := ip.payload, UDP)
            and (hub, port) == ((ip.dst, udp.dport) if ip.src in machines else (ip.src, udp.sport))
        )
    ]


def _datagrams(packets: Iterable[Packet]) -> Iterable[tuple[Packet, Packet]]:
    """Yields the outermost IP and UDP layers of packets that have both."""
    for packet in packets:
        if isinstance(packet.payload, IP | IPv6) and isinstance(packet.payload.payload, UDP):
            yield packet.payload, packet.payload.payload


def _ends(packet: Packet) -> Iterable[tuple[str, str]]:
    """Yields source and destination of an IP packet, or who asks and what for in one of ARP or neighbour discovery."""
    if isinstance(packet.payload, ARP):
        yield packet.payload.psrc, packet.payload.pdst
    elif ICMPv6ND_NS in packet:
        yield packet[IPv6].src, packet[ICMPv6ND_NS].tgt
    elif isinstance(packet.payload, IP | IPv6):
        yield packet.payload.src, packet.payload.dst
