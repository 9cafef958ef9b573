"""Sockets that receive initiations.

Another process can hold them across restarts of the hub: datagrams wait in their queues meanwhile.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from appliance.hub.front_door.datagram import Arrival
from appliance.hub.front_door.errors import DoorError, PortTaken
from appliance.hub.front_door.initiation import LENGTH

Address = IPv4Address | IPv6Address

# <linux/in.h>, <linux/in6.h>, <asm-generic/socket.h>
_IP_PKTINFO = 8
_SO_RCVBUFFORCE = 33
# Options IP_FREEBIND and IPV6_FREEBIND: a shard's address comes after its door was opened.
_FREEBIND: dict[int, tuple[int, int]] = {
    socket.AF_INET: (socket.IPPROTO_IP, 15),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 78),
}
_SO_MEMINFO = 55
_MEMINFO_DROPS = 8
_MEMINFO = struct.Struct("=9I")
_IPV4_INFO = struct.Struct("=i4s4s")
_IPV6_INFO = struct.Struct("=16si")

# An initiation takes up 768 bytes of a queue. The demultiplexer empties them at once; they are as long as to keep what
# several senders may send at once while the hub is started again.
_STRANGERS_QUEUE = 2**20
_REGULARS_QUEUE = 2**20
_ATTEMPTS = 20


@dataclass(frozen=True)
class DoorSockets:
    """UDP sockets of the front door, bound on every address or on one.

    Those of IPv6 are None on a host without it; with one address, so are those of the other version.

    Attributes:
        public4, public6: the public port, for strangers.
        known4, known6: an internal port, the same for both, to which initiations of known sources are redirected.
    """

    public4: socket.socket | None
    public6: socket.socket | None
    known4: socket.socket | None
    known6: socket.socket | None

    @classmethod
    def open(cls, port: int, known_port: int = 0, address: Address | None = None) -> DoorSockets:
        """Bind the sockets.

        Args:
            port: public UDP port.
            known_port: preferred internal port; the kernel chooses another if it is taken or 0.
            address: the only address, which the host need not have yet; None: every address.

        Raises:
            PortTaken: the public port is taken, in IPv4 or IPv6.
            DoorError: the host refused a socket.
        """
        public = _pair(port, _STRANGERS_QUEUE, address)
        try:
            known = None
            if known_port:
                with suppress(PortTaken):
                    known = _pair(known_port, _REGULARS_QUEUE, address)
            return cls(*public, *(known or _pair(0, _REGULARS_QUEUE, address)))
        except BaseException:
            _close(public)
            raise

    @classmethod
    def adopt(cls, descriptors: Sequence[int]) -> DoorSockets:
        """Make the sockets from `descriptors` of another process; they are owned by this object.

        Raises:
            DoorError: they are not two or four UDP sockets.
        """
        found = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        if len(found) not in (2, 4) or any(each.type != socket.SOCK_DGRAM for each in found):
            for each in found:
                each.detach()
            raise DoorError(f"the front door was handed {len(found)} sockets that are not its own")
        return cls(found[0], None, found[1], None) if len(found) == 2 else cls(*found)

    def descriptors(self) -> tuple[int, ...]:
        """File descriptors for another process: two, or four with IPv6."""
        return tuple(each.fileno() for each in self._all())

    @property
    def public_port(self) -> int:
        return int(self.public[0].getsockname()[1])

    @property
    def known_port(self) -> int:
        """Internal UDP port for known sources."""
        return int(self.known[0].getsockname()[1])

    @property
    def public(self) -> tuple[socket.socket, ...]:
        """Sockets of the public port."""
        return tuple(each for each in (self.public4, self.public6) if each is not None)

    @property
    def known(self) -> tuple[socket.socket, ...]:
        """Sockets of the port for known sources."""
        return tuple(each for each in (self.known4, self.known6) if each is not None)

    def close(self) -> None:
        _close(self._all())

    def _all(self) -> Iterator[socket.socket]:
        return (each for each in (self.public4, self.public6, self.known4, self.known6) if each is not None)


def is_free(port: int) -> bool:
    """Tell whether the UDP port is free in this network namespace, in IPv4 and IPv6."""
    try:
        _close(_pair(port, 0))
    except DoorError:
        return False
    return True


def receive(sock: socket.socket) -> Arrival | None:
    """Receive one datagram, truncated to one byte more than an initiation; None if the queue is empty."""
    try:
        payload, ancillary, _, source = sock.recvmsg(LENGTH + 1, 64)
    except BlockingIOError:
        return None
    if sock.family == socket.AF_INET:
        interface, _, raw = _IPV4_INFO.unpack(ancillary[0][2])
        return Arrival(4, payload, source[:2], socket.inet_ntop(socket.AF_INET, raw), interface)
    raw, interface = _IPV6_INFO.unpack(ancillary[0][2])
    return Arrival(6, payload, source[:2], socket.inet_ntop(socket.AF_INET6, raw), interface)


def overflowed(sock: socket.socket) -> int:
    """Number of datagrams dropped by a full queue since the socket was made, modulo 2**32."""
    return int(_MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[_MEMINFO_DROPS])


def _pair(port: int, queue: int, address: Address | None = None) -> tuple[socket.socket | None, socket.socket | None]:
    """Bind a port in IPv4, and the same one in IPv6; with an address, in its version alone."""
    if address is not None:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        only = _bound(family, port, queue, str(address))
        if only is None:
            raise DoorError(f"this host has no IPv{address.version}")
        return (only, None) if address.version == 4 else (None, only)
    for _ in range(_ATTEMPTS):
        first = _bound(socket.AF_INET, port, queue)
        if first is None:
            raise DoorError("this host has no IPv4")
        try:
            return first, _bound(socket.AF_INET6, first.getsockname()[1], queue)
        except PortTaken:
            # The kernel chose one that is free in IPv4 alone.
            first.close()
            if port:
                raise
        except BaseException:
            first.close()
            raise
    raise DoorError("no port is free in both IPv4 and IPv6")


def _bound(family: int, port: int, queue: int, address: str = "") -> socket.socket | None:
    try:
        made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise DoorError(f"no UDP socket: {error.strerror}") from error
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        if queue:
            # The kernel doubles it. Where that is more than the host lets everybody have, it takes CAP_NET_ADMIN.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, queue // 2)
            with suppress(PermissionError):
                made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, queue // 2)
        if address:
            made.setsockopt(*_FREEBIND[family], 1)
        made.bind((address, port))
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port) from error
        if family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL:
            return None
        raise DoorError(f"UDP port {port} can't be bound: {error.strerror}") from error
    return made


def _close(some: Iterator[socket.socket] | tuple[socket.socket | None, ...]) -> None:
    for each in some:
        if each is not None:
            each.close()
