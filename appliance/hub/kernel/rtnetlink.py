"""Lists of links, addresses, routes and routing rules of the calling thread's namespace, and changes of links.

For each request `IPRoute` makes an event loop, which takes longer than the rest of a list as short as an
organization's. Here each request has a socket of its own, because a socket stays in the namespace that it was opened
in. Every function raises OSError if the kernel refuses.

pyroute2 decodes what is listed. The first list loads its decoders; a supervisor lists nothing.

Source: rtnetlink(7), netlink(7)
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from typing import Any

from appliance.hub.kernel import netlink
from appliance.hub.kernel.netlink import KernelRefusal

_FAMILY = struct.Struct("=B3x")  # struct rtgenmsg
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, and which of them change
_NUMBER = struct.Struct("=I")
# <linux/rtnetlink.h>
_NEW_LINK, _DELETE_LINK, _GET_LINK, _GET_ADDRESS, _GET_ROUTE, _GET_RULE = 16, 17, 18, 22, 26, 34
# <linux/netlink.h>
_ONLY_NEW = 0x600  # NLM_F_CREATE | NLM_F_EXCL
# <linux/if.h>, <linux/if_link.h>
_UP = 1
_NAME, _MTU, _INFORMATION, _NET_NS_FD = 3, 4, 18, 28
_KIND = 1
_TIMEOUT_S = 2.0


def links() -> list[Any]:
    """List links, up or down, as pyroute2 decodes them."""
    return _listed(_GET_LINK, "ifinfmsg", socket.AF_UNSPEC)


def addresses() -> list[Any]:
    """List IPv4 addresses, as pyroute2 decodes them."""
    return _listed(_GET_ADDRESS, "ifaddrmsg", socket.AF_INET)


def routes() -> list[Any]:
    """List IPv4 routes of all tables, as pyroute2 decodes them."""
    return _listed(_GET_ROUTE, "rtmsg", socket.AF_INET)


def rules() -> list[Any]:
    """List IPv4 routing rules, as pyroute2 decodes them."""
    return _listed(_GET_RULE, "fibmsg", socket.AF_INET)


def add(name: str, kind: str) -> None:
    """Add a link of a kind that needs no further attributes."""
    attributes = netlink.text(_NAME, name) + netlink.nested(_INFORMATION, netlink.text(_KIND, kind))
    _ask(_NEW_LINK, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attributes, _ONLY_NEW)


def delete(index: int) -> None:
    """Delete the link of this index."""
    _ask(_DELETE_LINK, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0))


def set_up(index: int, mtu: int) -> None:
    """Bring the link of this index up, with this MTU in bytes."""
    _change(index, _UP, _MTU, mtu)


def move(index: int, namespace: int) -> None:
    """Move the link of this index into the namespace behind a descriptor."""
    _change(index, 0, _NET_NS_FD, namespace)


def _change(index: int, flags: int, attribute: int, value: int) -> None:
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, flags, flags) + netlink.attribute(attribute, _NUMBER.pack(value))
    _ask(_NEW_LINK, body)


def _ask(kind: int, body: bytes, flags: int = 0) -> None:
    for _ in _answers(kind, netlink.ACK | flags, body):
        pass


def _listed(kind: int, decoder: str, family: int) -> list[Any]:
    # Loaded here, not with this module, which a supervisor loads too.
    from appliance.hub.kernel import pyroute

    decoded = pyroute.message(decoder)
    entries = []
    try:
        for message in _answers(kind, netlink.DUMP, _FAMILY.pack(family)):
            entry = decoded(message)
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
