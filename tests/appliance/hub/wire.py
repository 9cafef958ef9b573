"""A namespace whose one link is a TUN: packets written into it come from machines, packets read from it go to them."""

from __future__ import annotations

import fcntl
import itertools
import os
import select
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from appliance.hub.front_door.datagram import checksum
from appliance.hub.kernel import namespace, routing
from appliance.hub.names import KernelNames

# <linux/if_tun.h>
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000

# <linux/netfilter/nfnetlink.h>
_NETFILTER, _DELETE_CONNECTIONS = 12, 1 << 8 | 2
_REQUEST, _ACK_WANTED = 1, 4

_AT_ONCE = 100

NETWORK = IPv4Network("10.100.0.0/16")
HUB = IPv4Address("10.100.0.1")
GRE = 47
NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "icmp": socket.IPPROTO_ICMP, "gre": GRE}
UNREACHABLE, EXCEEDED, PROBLEM = 3, 11, 12
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_SYN, _SYN_ACK, _ACK = 0x02, 0x12, 0x10


@dataclass(frozen=True)
class Flow:
    """A connection from one machine to another.

    Attributes:
        protocol: tcp, udp, icmp or gre.
        port: destination port, for tcp and udp.
        own_port: source port, or the identifier of an echo.
    """

    source: IPv4Address
    destination: IPv4Address
    protocol: str
    port: int = 0
    own_port: int = 40000

    def opening(self) -> bytes:
        """Returns the first packet."""
        return ip(self.source, self.destination, self.protocol, self._body(forth=True, flags=_SYN))

    def going_on(self) -> bytes:
        """Returns a later packet from the same side."""
        return ip(self.source, self.destination, self.protocol, self._body(forth=True, flags=_ACK))

    def reply(self) -> bytes:
        """Returns the answer of the other side."""
        return ip(self.destination, self.source, self.protocol, self._body(forth=False, flags=_SYN_ACK))

    def error(
        self,
        kind: int = UNREACHABLE,
        code: int = 3,
        *,
        sender: IPv4Address | None = None,
        receiver: IPv4Address | None = None,
        of_reply: bool = False,
        quoted: bytes | None = None,
    ) -> bytes:
        """A complaint about a packet of this flow (RFC 792).

        Args:
            sender: of the complaint; the end to which the quoted packet was addressed if None.
            receiver: of the complaint; the end that sent the quoted packet if None.
            of_reply: it quotes a reply instead of the first packet.
            quoted: what it quotes instead of either.
        """
        ends = (self.source, self.destination) if of_reply else (self.destination, self.source)
        quote = quoted if quoted is not None else self.reply() if of_reply else self.opening()
        body = struct.pack("!BBHI", kind, code, 0, 0) + quote
        return ip(sender or ends[0], receiver or ends[1], "icmp", _summed(body, 2))

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


def ip(
    source: IPv4Address,
    destination: IPv4Address,
    protocol: str,
    body: bytes,
    *,
    ttl: int = 64,
    fragment: int = 0,
    options: bytes = b"",
) -> bytes:
    """An IPv4 packet.

    Args:
        fragment: flags and offset, as in the header.
        options: whole words of four bytes.
    """
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, 4 * words + len(body), 1, fragment, ttl, NUMBERS[protocol], 0)
    return _summed(head + source.packed + destination.packed + options, 10) + body


def _batched(packets: Iterable[bytes], count: int) -> Iterator[tuple[bytes, ...]]:
    """Splits the packets into batches of this size."""
    remaining = iter(packets)
    while some := tuple(itertools.islice(remaining, count)):
        yield some


class Wire:
    """The machines' side of a hub's link."""

    def __init__(self, names: KernelNames) -> None:
        self.names = names
        namespace.create(names.namespace)
        with namespace.entered(names.namespace):
            self._tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            fcntl.ioctl(self._tun, _TUNSETIFF, struct.pack("16sH22x", names.link.encode(), _IFF_TUN | _IFF_NO_PI))
        self.lead(NETWORK)

    def lead(self, network: IPv4Network) -> None:
        """Routes an overlay network's packets through the hub."""
        self._network = network
        routing.mend(self.names, network)

    def close(self) -> None:
        """Removes the namespace."""
        os.close(self._tun)
        namespace.remove(self.names.namespace)

    def passes(self, packet: bytes) -> bool:
        """Tells whether the hub forwards this packet."""
        return any(arrived[12:] == packet[12:] for arrived in self.answers(packet))

    def passing(self, packets: Iterable[bytes]) -> set[bytes]:
        """Returns the packets that the hub forwards, out of some that differ after their IP header's checksum."""
        found = set()
        for some in _batched(packets, _AT_ONCE):
            arrived = {each[12:] for each in self.answers(*some)}
            found |= {packet for packet in some if packet[12:] in arrived}
        return found

    def answers(self, *packets: bytes) -> list[bytes]:
        """Sends these packets to the hub and returns all that it sends."""
        self.drain()
        for packet in packets:
            os.write(self._tun, packet)
        # The kernel works a packet off before it takes the next one, and the hub answers every ping.
        fence = Flow(self._network[-6], self._network[1], "icmp", own_port=1)
        os.write(self._tun, fence.opening())
        answer = fence.reply()
        seen = []
        while (arrived := self.next())[12:] != answer[12:]:
            seen.append(arrived)
        return seen

    def send(self, packet: bytes) -> None:
        """Sends a packet to the hub."""
        os.write(self._tun, packet)

    def next(self, within_s: float = 5.0) -> bytes:
        """Waits for the next packet that the hub sends.

        Raises:
            TimeoutError: it sent none within these seconds.
        """
        if not select.select([self._tun], [], [], within_s)[0]:
            raise TimeoutError("the hub sent nothing")
        return os.read(self._tun, 65536)

    def forget_connections(self) -> None:
        """Clears connection tracking (<linux/netfilter/nfnetlink_conntrack.h>, IPCTNL_MSG_CT_DELETE of none)."""
        with (
            namespace.entered(self.names.namespace),
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as netlink,
        ):
            netlink.send(struct.pack("=IHHII", 20, _DELETE_CONNECTIONS, _REQUEST | _ACK_WANTED, 1, 0) + bytes(4))
            (error,) = struct.unpack_from("=i", netlink.recv(4096), 16)
        if error:
            raise OSError(-error, os.strerror(-error))

    def drain(self) -> None:
        """Drops what the hub has sent so far."""
        while True:
            try:
                os.read(self._tun, 65536)
            except BlockingIOError:
                return
