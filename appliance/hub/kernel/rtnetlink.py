"""Lists of links, addresses, routes and routing rules of the calling thread's namespace, and changes of links.

For each request `IPRoute` makes an event loop, which takes longer than the rest of a list as short as an
organization's. Here each request has a socket of its own, because a socket stays in the namespace that it was opened
in. Every function raises OSError if the kernel refuses.

Source: rtnetlink(7), netlink(7)
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from typing import Any

from pyroute2.netlink.rtnl import RTM_GETADDR, RTM_GETLINK, RTM_GETROUTE, RTM_GETRULE, RTM_NEWLINK
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from appliance.hub.kernel import netlink
from appliance.hub.kernel.netlink import KernelRefusal

_FAMILY = struct.Struct("=B3x")  # struct rtgenmsg
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, and which of them change
_NUMBER = struct.Struct("=I")
# <linux/if.h>, <linux/if_link.h>
_UP = 1
_MTU, _NET_NS_FD = 4, 28
_TIMEOUT_S = 2.0


def links() -> list[Any]:
    """List links, up or down, as pyroute2 decodes them."""
    return _listed(RTM_GETLINK, ifinfmsg, socket.AF_UNSPEC)


def addresses() -> list[Any]:
    """List IPv4 addresses, as pyroute2 decodes them."""
    return _listed(RTM_GETADDR, ifaddrmsg, socket.AF_INET)


def routes() -> list[Any]:
    """List IPv4 routes of all tables, as pyroute2 decodes them."""
    return _listed(RTM_GETROUTE, rtmsg, socket.AF_INET)


def rules() -> list[Any]:
    """List IPv4 routing rules, as pyroute2 decodes them."""
    return _listed(RTM_GETRULE, fibmsg, socket.AF_INET)


def set_up(index: int, mtu: int) -> None:
    """Bring the link of this index up, with this MTU in bytes."""
    _change(index, _UP, _MTU, mtu)


def move(index: int, namespace: int) -> None:
    """Move the link of this index into the namespace behind a descriptor."""
    _change(index, 0, _NET_NS_FD, namespace)


def _change(index: int, flags: int, attribute: int, value: int) -> None:
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, flags, flags) + netlink.attribute(attribute, _NUMBER.pack(value))
    for _ in _answers(RTM_NEWLINK, netlink.ACK, body):
        pass


def _listed(kind: int, kind_of_entry: Any, family: int) -> list[Any]:
    entries = []
    try:
        for message in _answers(kind, netlink.DUMP, _FAMILY.pack(family)):
            entry = kind_of_entry(message)
            entry.decode()
            entries.append(entry)
    except KernelRefusal as refusal:
        # What has changed meanwhile has caused an event, after which the namespace is listed again.
        if refusal.errno != errno.EINTR:
            raise
    return entries


def _answers(kind: int, flags: int, body: bytes) -> Iterator[bytes]:
    with netlink.opened(netlink.ROUTE) as connection:
        connection.settimeout(_TIMEOUT_S)
        yield from netlink.exchange(connection, kind, body, flags)
