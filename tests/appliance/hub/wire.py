"""A namespace whose one link is a TUN: what is written into it is a machine's packet, what is read is passed on."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from appliance.hub import namespace, routing
from appliance.hub.door.datagram import checksum
from appliance.hub.names import Places

# <linux/if_tun.h>
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000

# <linux/netfilter/nfnetlink.h>
_NETFILTER, _DELETE_CONNECTIONS = 12, 1 << 8 | 2
_REQUEST, _ACK_WANTED = 1, 4

NETWORK = IPv4Network("10.100.0.0/16")
HUB = IPv4Address("10.100.0.1")
GRE = 47
NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "icmp": socket.IPPROTO_ICMP, "gre": GRE}
_ECHO_REQUEST, _ECHO_REPLY, _UNREACHABLE = 8, 0, 3
_SYN, _SYN_ACK, _ACK = 0x02, 0x12, 0x10


@dataclass(frozen=True)
class Flow:
    """What one machine opens toward another.

    Attributes:
        protocol: tcp, udp, icmp or gre.
        port: the destination's, for tcp and udp.
        own_port: the source's, or the identifier of an echo.
    """

    source: IPv4Address
    destination: IPv4Address
    protocol: str
    port: int = 0
    own_port: int = 40000

    def opening(self) -> bytes:
        """The first packet."""
        return _ip(self.source, self.destination, self.protocol, self._body(forth=True, flags=_SYN))

    def going_on(self) -> bytes:
        """A later packet from the same side."""
        return _ip(self.source, self.destination, self.protocol, self._body(forth=True, flags=_ACK))

    def reply(self) -> bytes:
        """What the other side answers."""
        return _ip(self.destination, self.source, self.protocol, self._body(forth=False, flags=_SYN_ACK))

    def error(self) -> bytes:
        """The other side's complaint (RFC 792, destination unreachable) about the first packet."""
        body = struct.pack("!BBHI", _UNREACHABLE, 3, 0, 0) + self.opening()[:28]
        return _ip(self.destination, self.source, "icmp", _summed(body, 2))

    def _body(self, *, forth: bool, flags: int) -> bytes:
        ports = (self.own_port, self.port) if forth else (self.port, self.own_port)
        ends = (self.source, self.destination) if forth else (self.destination, self.source)
        if self.protocol == "icmp":
            kind = _ECHO_REQUEST if forth else _ECHO_REPLY
            return _summed(struct.pack("!BBHHH", kind, 0, 0, self.own_port, 1), 2)
        if self.protocol == "gre":
            return struct.pack("!HHI", 0, 0x0800, 0)
        if self.protocol == "udp":
            body, at = struct.pack("!HHHH", *ports, 12, 0) + b"test", 6
        else:
            body, at = struct.pack("!HHIIBBHHH", *ports, 1, 1, 5 << 4, flags, 1024, 0, 0), 16
        pseudo = ends[0].packed + ends[1].packed + struct.pack("!BBH", 0, NUMBERS[self.protocol], len(body))
        total = checksum(pseudo + body)
        return body[:at] + struct.pack("!H", total) + body[at + 2 :]


def _summed(body: bytes, at: int) -> bytes:
    return body[:at] + struct.pack("!H", checksum(body)) + body[at + 2 :]


def _ip(source: IPv4Address, destination: IPv4Address, protocol: str, body: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, NUMBERS[protocol], 0)
    head += source.packed + destination.packed
    return _summed(head, 10) + body


class Wire:
    """The machines' side of a hub's link."""

    def __init__(self, places: Places) -> None:
        self.places = places
        namespace.create(places.namespace)
        with namespace.entered(places.namespace):
            self._tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            fcntl.ioctl(self._tun, _TUNSETIFF, struct.pack("16sH22x", places.link.encode(), _IFF_TUN | _IFF_NO_PI))
        routing.mend(places, NETWORK)

    def close(self) -> None:
        """Nothing is left."""
        os.close(self._tun)
        namespace.remove(self.places.namespace)

    def passes(self, packet: bytes) -> bool:
        """Whether the hub sends this packet on."""
        self._drain()
        os.write(self._tun, packet)
        # The kernel works a packet off before it takes the next one, and the hub answers every ping.
        fence = Flow(IPv4Address("10.100.255.250"), HUB, "icmp", own_port=1)
        os.write(self._tun, fence.opening())
        answer = fence.reply()
        passed = False
        while (arrived := self._read())[12:20] != answer[12:20]:
            passed = passed or arrived[12:] == packet[12:]
        return passed

    def forget_connections(self) -> None:
        """Connection tracking begins anew (<linux/netfilter/nfnetlink_conntrack.h>, IPCTNL_MSG_CT_DELETE of none)."""
        with (
            namespace.entered(self.places.namespace),
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as netlink,
        ):
            netlink.send(struct.pack("=IHHII", 20, _DELETE_CONNECTIONS, _REQUEST | _ACK_WANTED, 1, 0) + bytes(4))
            (error,) = struct.unpack_from("=i", netlink.recv(4096), 16)
        if error:
            raise OSError(-error, os.strerror(-error))

    def _drain(self) -> None:
        while True:
            try:
                os.read(self._tun, 65536)
            except BlockingIOError:
                return

    def _read(self) -> bytes:
        if not select.select([self._tun], [], [], 5.0)[0]:
            raise TimeoutError("the hub answered no ping")
        return os.read(self._tun, 65536)
