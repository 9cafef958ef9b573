"""Links, addresses, routes and routing rules of a namespace by rtnetlink: listed and changed.

A library's objects and event loop for each request took longer than all the rest of making an organization's namespace.

Source: rtnetlink(7), netlink(7), <linux/if_link.h>, <linux/fib_rules.h>
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType
from typing import NamedTuple

from appliance.hub.kernel import netlink
from appliance.hub.kernel.netlink import KernelRefusal

_HEADER_BYTES = 16  # struct nlmsghdr
_FAMILY = struct.Struct("=B3x")  # struct rtgenmsg
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, and which of them change
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, length of the prefix, flags, scope, index of the link
# struct rtmsg: family, lengths of destination and source, TOS, table, protocol, scope, type, flags. struct fib_rule_hdr
# has two unused bytes in place of protocol and scope, and the action in place of the type.
_ROUTE = struct.Struct("=BBBBBBBBI")
_NUMBER = struct.Struct("=I")
# <linux/rtnetlink.h>
_NEW_LINK, _DELETE_LINK, _GET_LINK, _NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 16, 17, 18, 20, 21, 22
_NEW_ROUTE, _DELETE_ROUTE, _GET_ROUTE, _NEW_RULE, _DELETE_RULE, _GET_RULE = 24, 25, 26, 32, 33, 34
_PROTOCOL_STATIC, _SCOPE_UNIVERSE, _SCOPE_LINK, _ANY_SCOPE = 4, 0, 253, 255
# <linux/netlink.h>
_ONLY_NEW = 0x600  # NLM_F_CREATE | NLM_F_EXCL
_REPLACE = 0x500  # NLM_F_CREATE | NLM_F_REPLACE
# <linux/if.h>, <linux/if_link.h>
_UP = 1
_NAME, _MTU, _INFORMATION, _NET_NS_FD, _MASK = 3, 4, 18, 28, 29
_KIND, _DATA = 1, 2
_WITHOUT_STATISTICS = _NUMBER.pack(8)
# <linux/if_addr.h>
_PEER, _LOCAL = 1, 2
# <linux/rtnetlink.h>, <linux/fib_rules.h>
_DESTINATION, _OUT, _METRIC, _ROUTE_TABLE = 1, 4, 6, 15
_PRIORITY, _RULE_MARK, _RULE_TABLE = 6, 10, 15
_TO_TABLE = 1
_TIMEOUT_S = 2.0

UNICAST, UNREACHABLE = 1, 7
"""Kinds of route."""


@dataclass(frozen=True)
class Link:
    """A link.

    Attributes:
        kind: such as "tun"; "" for a device without a kind, as ``lo``.
        mtu: in bytes.
        information: packed attributes of its kind.
    """

    index: int
    name: str
    kind: str
    is_up: bool
    mtu: int
    information: bytes


@dataclass(frozen=True)
class Address:
    """An IPv4 address.

    Attributes:
        index: of its link.
        local: the host's own address, packed.
        peer: the other end's on a link between two points, otherwise the same, packed.
        length: of the prefix.
    """

    index: int
    local: bytes
    peer: bytes
    length: int

    def __str__(self) -> str:
        return f"{IPv4Address(self.local)}/{self.length}"


class Route(NamedTuple):
    """Attributes that distinguish IPv4 routes.

    Attributes:
        kind: `UNICAST`, `UNREACHABLE` or another number of <linux/rtnetlink.h>.
        destination: a network; ``0.0.0.0/0`` is anywhere.
        out: index of the link; 0 for none.
        metric: smaller ones are preferred.
    """

    kind: int
    table: int
    destination: str
    out: int
    metric: int


class RoutingRule(NamedTuple):
    """Attributes that distinguish IPv4 routing rules; a mark of 0 is none."""

    priority: int
    table: int
    mark: int


class RouteSocket:
    """Lists and changes in the network namespace of the thread that makes this object. For one thread at a time.

    Raises:
        OSError: (every method) the kernel refused, or did not answer; the socket is of no use afterwards if it is no
            `KernelRefusal`.
    """

    def __init__(self) -> None:
        self._socket = netlink.opened(netlink.ROUTE)
        self._socket.settimeout(_TIMEOUT_S)

    def __enter__(self) -> RouteSocket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def links(self) -> list[Link]:
        """List links, up or down."""
        request = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + netlink.attribute(_MASK, _WITHOUT_STATISTICS)
        return [_link(message) for message in self._listed(_GET_LINK, request)]

    def addresses(self) -> list[Address]:
        """List IPv4 addresses."""
        return [_address(message) for message in self._listed(_GET_ADDRESS, _FAMILY.pack(socket.AF_INET))]

    def routes(self) -> list[Route]:
        """List IPv4 routes of all tables."""
        return [_route(message) for message in self._listed(_GET_ROUTE, _FAMILY.pack(socket.AF_INET))]

    def rules(self) -> list[RoutingRule]:
        """List IPv4 routing rules."""
        return [_rule(message) for message in self._listed(_GET_RULE, _FAMILY.pack(socket.AF_INET))]

    def add_link(self, name: str, kind: str) -> None:
        """Add a link of a kind that needs no further attributes."""
        attributes = netlink.text(_NAME, name) + netlink.nested(_INFORMATION, netlink.text(_KIND, kind))
        self._change(_NEW_LINK, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attributes, _ONLY_NEW)

    def delete_link(self, index: int) -> None:
        """Delete the link of this index."""
        self._change(_DELETE_LINK, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0))

    def set_up(self, index: int, mtu: int | None = None) -> None:
        """Bring the link of this index up, with this MTU in bytes or with the one that it has."""
        self._set_link(index, _UP, b"" if mtu is None else netlink.attribute(_MTU, _NUMBER.pack(mtu)))

    def set_down(self, index: int) -> None:
        """Bring the link of this index down."""
        self._change(_NEW_LINK, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, _UP))

    def set_mtu(self, index: int, mtu: int) -> None:
        """Set the MTU of the link of this index, in bytes."""
        self._set_link(index, 0, netlink.attribute(_MTU, _NUMBER.pack(mtu)))

    def move(self, index: int, namespace: int) -> None:
        """Move the link of this index into the namespace behind a descriptor."""
        self._set_link(index, 0, netlink.attribute(_NET_NS_FD, _NUMBER.pack(namespace)))

    def add_address(self, index: int, address: IPv4Address) -> None:
        """Add an address alone, with no network around it, to the link of this index."""
        attributes = netlink.attribute(_LOCAL, address.packed) + netlink.attribute(_PEER, address.packed)
        body = _ADDRESS.pack(socket.AF_INET, address.max_prefixlen, 0, _SCOPE_UNIVERSE, index)
        self._change(_NEW_ADDRESS, body + attributes, _ONLY_NEW)

    def delete_address(self, found: Address) -> None:
        """Delete a listed address."""
        attributes = netlink.attribute(_LOCAL, found.local) + netlink.attribute(_PEER, found.peer)
        self._change(_DELETE_ADDRESS, _ADDRESS.pack(socket.AF_INET, found.length, 0, 0, found.index) + attributes)

    def replace_route(self, route: Route) -> None:
        """Add a route, in place of one with the same destination, table and metric if there is one."""
        scope = _SCOPE_LINK if route.out else _SCOPE_UNIVERSE
        self._change(_NEW_ROUTE, _packed_route(route, _PROTOCOL_STATIC, scope), _REPLACE)

    def delete_route(self, route: Route) -> None:
        """Delete a route."""
        self._change(_DELETE_ROUTE, _packed_route(route, 0, _ANY_SCOPE))

    def add_rule(self, rule: RoutingRule) -> None:
        """Add a rule that leads to a table."""
        self._change(_NEW_RULE, _packed_rule(rule, _TO_TABLE), _ONLY_NEW)

    def delete_rule(self, rule: RoutingRule) -> None:
        """Delete a rule, whatever it does."""
        self._change(_DELETE_RULE, _packed_rule(rule, 0))

    def _set_link(self, index: int, flags: int, attributes: bytes) -> None:
        self._change(_NEW_LINK, _LINK.pack(socket.AF_UNSPEC, 0, index, flags, flags) + attributes)

    def _change(self, kind: int, body: bytes, flags: int = 0) -> None:
        for _ in netlink.exchange(self._socket, kind, body, netlink.ACK | flags):
            pass

    def _listed(self, kind: int, body: bytes) -> Iterator[bytes]:
        try:
            yield from netlink.exchange(self._socket, kind, body, netlink.DUMP)
        except KernelRefusal as refusal:
            # What has changed meanwhile has caused an event, after which the namespace is listed again.
            if refusal.errno != errno.EINTR:
                raise


def _attributes(message: bytes, header: struct.Struct) -> dict[int, bytes]:
    return dict(netlink.attributes(message[_HEADER_BYTES + header.size :]))


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()


def _number(value: bytes) -> int:
    return int.from_bytes(value, sys.byteorder)


def _link(message: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(message, _HEADER_BYTES)
    found = _attributes(message, _LINK)
    information = dict(netlink.attributes(found.get(_INFORMATION, b"")))
    return Link(
        index,
        _text(found[_NAME]),
        _text(information.get(_KIND, b"")),
        bool(flags & _UP),
        _number(found[_MTU]),
        information.get(_DATA, b""),
    )


def _address(message: bytes) -> Address:
    _, length, _, _, index = _ADDRESS.unpack_from(message, _HEADER_BYTES)
    found = _attributes(message, _ADDRESS)
    peer = found.get(_PEER) or found[_LOCAL]
    return Address(index, found.get(_LOCAL, peer), peer, length)


def _route(message: bytes) -> Route:
    _, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(message, _HEADER_BYTES)
    found = _attributes(message, _ROUTE)
    # A route to anywhere names no destination.
    destination = socket.inet_ntoa(found.get(_DESTINATION, bytes(4)))
    return Route(
        kind,
        _number(found[_ROUTE_TABLE]) if _ROUTE_TABLE in found else table,
        f"{destination}/{length}",
        _number(found.get(_OUT, b"")),
        _number(found.get(_METRIC, b"")),
    )


def _rule(message: bytes) -> RoutingRule:
    _, _, _, _, table, _, _, _, _ = _ROUTE.unpack_from(message, _HEADER_BYTES)
    found = _attributes(message, _ROUTE)
    return RoutingRule(
        _number(found.get(_PRIORITY, b"")),
        _number(found[_RULE_TABLE]) if _RULE_TABLE in found else table,
        _number(found.get(_RULE_MARK, b"")),
    )


def _packed_route(route: Route, protocol: int, scope: int) -> bytes:
    network = IPv4Network(route.destination)
    attributes = netlink.attribute(_ROUTE_TABLE, _NUMBER.pack(route.table))
    if network.prefixlen:
        attributes += netlink.attribute(_DESTINATION, network.network_address.packed)
    for kind, value in ((_OUT, route.out), (_METRIC, route.metric)):
        if value:
            attributes += netlink.attribute(kind, _NUMBER.pack(value))
    return _ROUTE.pack(socket.AF_INET, network.prefixlen, 0, 0, 0, protocol, scope, route.kind, 0) + attributes


def _packed_rule(rule: RoutingRule, action: int) -> bytes:
    attributes = netlink.attribute(_PRIORITY, _NUMBER.pack(rule.priority))
    attributes += netlink.attribute(_RULE_TABLE, _NUMBER.pack(rule.table))
    if rule.mark:
        attributes += netlink.attribute(_RULE_MARK, _NUMBER.pack(rule.mark))
    return _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, action, 0) + attributes
