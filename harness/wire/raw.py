"""Sends packets that scapy made out of a link by a raw socket."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress

from scapy.layers.inet import ICMP, IP
from scapy.packet import Packet

from netlab import Host

SOURCE_PORT = 40000
"""Source port of datagrams and segments that scenarios make."""
_ECHO_REPLY = 0


def send(host: Host, link: str, packets: Iterable[Packet | bytes]) -> None:
    """Sends IPv4 packets out of one link of a host, whatever its routes say."""
    with host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for data in map(bytes, packets):
            # A packet that the sender's kernel refuses arrives nowhere, which the witnesses notice.
            with suppress(OSError):
                sender.sendto(data, (socket.inet_ntoa(data[16:20]), 0))


def is_echo_reply(packet: bytes) -> bool:
    """Returns True for an IPv4 packet that is the answer to a ping."""
    ip = IP(packet)
    return ip.version == 4 and isinstance(ip.payload, ICMP) and ip.payload.type == _ECHO_REPLY
