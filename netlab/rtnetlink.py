"""Links, addresses and routes by rtnetlink messages: 0.1 ms each, where a fork of `ip` takes 3 to 10 ms.

It has only the requests that a lab needs. Formats: rtnetlink(7), linux/if_link.h, linux/if_addr.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import struct
import threading

from netlab.errors import NothingArrived
from netlab.waiting import wait_until

_NEWLINK, _DELLINK, _GETLINK, _NEWADDR, _NEWROUTE = 16, 17, 18, 20, 24
_REQUEST, _ACK, _EXCL, _CREATE = 0x1, 0x4, 0x200, 0x400
_ERROR = 2
_IFNAME, _MTU, _MASTER, _LINKINFO, _NET_NS_FD = 3, 4, 10, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER, _BR_MCAST_SNOOPING = 1, 2, 1, 23
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS, _IFA_F_NODAD = 1, 2, 4, 8, 0x02
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_RT_TABLE_MAIN, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK, _RTN_UNICAST = 254, 4, 0, 253, 1
_SIOCGIFINDEX = 0x8933
IFF_UP = 1
_OPERSTATE, _OPERATIONAL = 16, b"\x06"
_PAUSE_S = 0.001
CARRIER_TIMEOUT_S = 10.0
"""Seconds for the kernel to notice that both ends of a cable are up."""


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _link_header(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


class Netlink:
    """An rtnetlink socket. It acts in the network namespace where it was made, for any thread; errors are OSError."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes over an open socket.

        Args:
            sock: the socket; `close` closes it.
        """
        self._socket = sock
        self._lock = threading.Lock()
        self._sequence = 0
        sock.bind((0, 0))

    @classmethod
    def here(cls) -> Netlink:
        """Opens a socket in the network namespace of the calling thread."""
        return cls(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE))

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _call(self, kind: int, flags: int, body: bytes, what: str) -> None:
        """Sends one request and waits for its acknowledgement."""
        self._ask(kind, body, what, _ACK | flags)

    def _ask(self, kind: int, body: bytes, what: str, flags: int = 0) -> bytes:
        """Sends one request and waits for its answer; the kernel gives it before `recv` could block long."""
        with self._lock:
            self._sequence += 1
            header = struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | flags, self._sequence, 0)
            self._socket.sendall(header + body)
            while True:
                answer = self._socket.recv(65536)
                _, answer_kind, _, sequence, _ = struct.unpack_from("=IHHII", answer)
                if sequence == self._sequence:
                    break
        if answer_kind == _ERROR:
            (code,) = struct.unpack_from("=i", answer, 16)
            if code:
                raise OSError(-code, f"{what}: {os.strerror(-code)}")
        return answer

    def index(self, interface: str) -> int:
        """Returns the index of an interface.

        Raises:
            OSError: there is no such interface (ENODEV).
        """
        request = struct.pack("16si20x", interface.encode(), 0)
        # The ioctl asks about the namespace of the socket, not of the calling thread.
        answer = fcntl.ioctl(self._socket, _SIOCGIFINDEX, request)
        return int(struct.unpack_from("i", answer, 16)[0])

    def add_bridge(self, name: str) -> None:
        """Adds a learning bridge and puts it up. It has no spanning tree, so that its ports forward at once.

        Args:
            name: name of the bridge.
        """
        data = _attribute(_BR_MCAST_SNOOPING, b"\0")
        info = _attribute(_LINKINFO, _text(_INFO_KIND, "bridge") + _attribute(_INFO_DATA, data))
        body = _link_header(flags=IFF_UP, change=IFF_UP) + _text(_IFNAME, name) + info
        self._call(_NEWLINK, _CREATE | _EXCL, body, f"add bridge {name}")

    def add_veth(self, name: str, peer: str, peer_namespace: int, mtu: int) -> None:
        """Adds a pair of veth links, both down.

        Args:
            name: name of the end in this namespace.
            peer: name of the other end.
            peer_namespace: file descriptor of the network namespace of the other end.
            mtu: largest packet, in bytes of IP.
        """
        peer_body = _link_header() + _text(_IFNAME, peer) + _number(_MTU, mtu) + _number(_NET_NS_FD, peer_namespace)
        data = _attribute(_VETH_PEER, peer_body)
        info = _attribute(_LINKINFO, _text(_INFO_KIND, "veth") + _attribute(_INFO_DATA, data))
        body = _link_header() + _text(_IFNAME, name) + _number(_MTU, mtu) + info
        self._call(_NEWLINK, _CREATE | _EXCL, body, f"add veth {name} to {peer}")

    def set_up(self, name: str, up: bool = True) -> None:
        """Puts a link up or down.

        Args:
            name: name of the link.
            up: up or down.
        """
        body = _link_header(self.index(name), IFF_UP if up else 0, IFF_UP)
        self._call(_NEWLINK, 0, body, f"set {name} {'up' if up else 'down'}")

    def wait_until_running(self, name: str) -> None:
        """Waits until a link that is up carries packets.

        The kernel reports that some time after both ends are up, tens of milliseconds on a busy machine. Packets sent
        earlier are dropped.

        Args:
            name: name of the link.

        Raises:
            NothingArrived: it does not within `CARRIER_TIMEOUT_S`.
        """
        if not wait_until(lambda: self.is_running(name), CARRIER_TIMEOUT_S, _PAUSE_S):
            raise NothingArrived(f"the carrier of {name}", CARRIER_TIMEOUT_S)
        # Its queue and its bridge learn of it under the lock that this request waits for.
        self.set_up(name)

    def is_running(self, name: str) -> bool:
        """Tells whether a link carries packets: its operational state is "up" (RFC 2863), which a new one's is not yet.

        Args:
            name: name of the link.
        """
        answer = self._ask(_GETLINK, _link_header(self.index(name)), f"look at {name}")
        at = 32  # struct nlmsghdr, struct ifinfomsg
        while at + 4 <= len(answer):
            length, kind = struct.unpack_from("=HH", answer, at)
            if kind == _OPERSTATE:
                return answer[at + 4 : at + length] == _OPERATIONAL
            at += max(4, (length + 3) & ~3)
        return False

    def set_bridge(self, name: str, bridge: str) -> None:
        """Makes a link a port of a bridge.

        Args:
            name: name of the link.
            bridge: name of the bridge.
        """
        body = _link_header(self.index(name)) + _number(_MASTER, self.index(bridge))
        self._call(_NEWLINK, 0, body, f"attach {name} to {bridge}")

    def delete_link(self, name: str) -> None:
        """Removes a link, and with it its veth peer.

        Args:
            name: name of the link.
        """
        self._call(_DELLINK, 0, _link_header(self.index(name)), f"delete {name}")

    def add_address(self, name: str, address: str) -> None:
        """Adds an address that is usable at once, without duplicate address detection.

        Args:
            name: name of the link.
            address: IPv4 or IPv6 address with prefix length.
        """
        interface = ipaddress.ip_interface(address)
        family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
        packed = interface.ip.packed
        body = struct.pack("=BBBBI", family, interface.network.prefixlen, 0, 0, self.index(name))
        body += _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
        if interface.version == 4 and interface.network.prefixlen < 31:
            body += _attribute(_IFA_BROADCAST, interface.network.broadcast_address.packed)
        if interface.version == 6:
            body += _number(_IFA_FLAGS, _IFA_F_NODAD)
        self._call(_NEWADDR, _CREATE | _EXCL, body, f"add address {address} to {name}")

    def add_route(self, destination: str, via: str | None = None, interface: str | None = None) -> None:
        """Adds a route to the main table.

        Args:
            destination: a network such as `198.51.100.0/24`, or `default` (IPv4) or `::/0`.
            via: address of the next hop.
            interface: name of the link to use; needed if there is no `via`.
        """
        network = ipaddress.ip_network("0.0.0.0/0" if destination == "default" else destination)
        family = socket.AF_INET if network.version == 4 else socket.AF_INET6
        scope = _RT_SCOPE_UNIVERSE if via else _RT_SCOPE_LINK
        body = struct.pack(
            "=BBBBBBBBI", family, network.prefixlen, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, scope, _RTN_UNICAST, 0
        )
        if network.prefixlen:
            body += _attribute(_RTA_DST, network.network_address.packed)
        if via:
            body += _attribute(_RTA_GATEWAY, ipaddress.ip_address(via).packed)
        if interface:
            body += _number(_RTA_OIF, self.index(interface))
        self._call(_NEWROUTE, _CREATE | _EXCL, body, f"add route {destination} via {via or interface}")
