"""Lists of links, addresses, routes and routing rules of the calling thread's namespace, and changes of links.

For each request `IPRoute` makes an event loop, which takes longer than the rest of a list as short as an
organization's. Here each request has a socket of its own, because a socket stays in the namespace that it was opened
in. Every function raises OSError if the kernel refuses.

Source: rtnetlink(7), netlink(7)
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR
from pyroute2.netlink.rtnl import RTM_GETADDR, RTM_GETLINK, RTM_GETROUTE, RTM_GETRULE, RTM_NEWLINK
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("=B3x")  # struct rtgenmsg
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, and which of them change
_NUMBER = struct.Struct("=HHI")  # struct rtattr, and a value of 32 bits
_CODE = struct.Struct("=i")
# <linux/if.h>, <linux/if_link.h>
_UP = 1
_MTU, _NET_NS_FD = 4, 28
_MOST_BYTES = 1 << 16
"""The kernel sends at most 32 KiB at once."""
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
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, flags, flags) + _NUMBER.pack(_NUMBER.size, attribute, value)
    for _ in _answers(RTM_NEWLINK, NLM_F_ACK, body):
        pass


def _listed(kind: int, kind_of_entry: Any, family: int) -> list[Any]:
    entries = []
    for data, at in _answers(kind, NLM_F_DUMP, _FAMILY.pack(family)):
        entry = kind_of_entry(data, offset=at)
        entry.decode()
        entries.append(entry)
    return entries


def _answers(kind: int, flags: int, body: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the messages of the answer, each as a buffer and its offset there."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as connection:
        connection.settimeout(_TIMEOUT_S)
        connection.send(_HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body)
        while True:
            data, at = connection.recv(_MOST_BYTES), 0
            while at < len(data):
                length, answer_kind, *_ = _HEADER.unpack_from(data, at)
                if answer_kind in (NLMSG_DONE, NLMSG_ERROR):
                    (code,) = _CODE.unpack_from(data, at + _HEADER.size)
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return
                yield data, at
                at += (length + 3) & ~3
