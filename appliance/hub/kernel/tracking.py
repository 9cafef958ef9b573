"""Connection tracking of a namespace: its entries counted, and deleted by machine.

Source: <linux/netfilter/nfnetlink_conntrack.h>.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from appliance.hub.errors import NamespaceError
from appliance.hub.kernel import namespace, netlink
from appliance.hub.kernel.descriptors import moved_high
from appliance.hub.kernel.netlink import Message
from appliance.hub.kernel.sockets import NetfilterSockets

_COUNT, _LIMIT = (Path("/proc/sys/net/netfilter") / name for name in ("nf_conntrack_count", "nf_conntrack_max"))
_LONGEST_NUMBER = 32
_GET, _DELETE = (netlink.CONNTRACK | kind for kind in (1, 2))
# An entry's first attribute is the tuple of its original direction, and that one's first its addresses.
_TUPLE = struct.Struct("=HHHHHH4sHH4s")
_KIND_MASK, _ORIGINAL, _ADDRESSES, _SOURCE, _DESTINATION = 0x3FFF, 1, 1, 1, 2
# Answers to all of them fit into a socket's buffer.
_AT_ONCE = 100


@dataclass(frozen=True)
class _Entry:
    """A tracked connection.

    Attributes:
        source, destination: packed addresses of its original direction.
        key: attribute that identifies it.
    """

    source: bytes
    destination: bytes
    key: bytes


class ConnectionCounts:
    """Reads the number of connections of namespaces in microseconds, from files that stay open."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def count(self, name: str) -> int:
        """Number of tracked connections in the namespace of that name; 0 if there is none."""
        try:
            return int(os.pread(self._open[name], _LONGEST_NUMBER, 0))
        except (KeyError, OSError, ValueError):
            # The file is not open, or the namespace was replaced.
            self.forget(name)
        try:
            with namespace.entered(name):
                self._open[name] = moved_high(os.open(_COUNT, os.O_RDONLY | os.O_CLOEXEC))
            return int(os.pread(self._open[name], _LONGEST_NUMBER, 0))
        except (NamespaceError, OSError, ValueError):
            return 0

    def forget(self, *names: str) -> None:
        """Close the files of these namespaces."""
        for name in names:
            descriptor = self._open.pop(name, None)
            if descriptor is not None:
                os.close(descriptor)

    def names(self) -> frozenset[str]:
        """Namespaces whose files are open."""
        return frozenset(self._open)


def host_limit() -> int:
    """Most connections that the host tracks in all namespaces together; 0 if tracking is not loaded yet."""
    try:
        return int(_LIMIT.read_text())
    except (OSError, ValueError):
        return 0


def forget(sockets: NetfilterSockets, name: str, addresses: Collection[IPv4Address]) -> None:
    """Delete every connection from or to one of these addresses in the namespace of that name.

    Raises:
        RulesetError: the kernel refused.
        NamespaceError: there is no such namespace.
    """
    ends = {address.packed for address in addresses}
    found = [entry.key for entry in _entries(sockets, name) if entry.source in ends or entry.destination in ends]
    for at in range(0, len(found), _AT_ONCE):
        messages = [Message(_DELETE, socket.AF_INET, key) for key in found[at : at + _AT_ONCE]]
        # A connection may have ended meanwhile.
        sockets.change_each(name, messages, accepted={errno.ENOENT})


def count_by_opener(sockets: NetfilterSockets, name: str) -> Counter[IPv4Address]:
    """Count the connections that each address has opened in the namespace of that name.

    Raises:
        RulesetError: the kernel did not answer.
        NamespaceError: there is no such namespace.
    """
    counted = Counter(entry.source for entry in _entries(sockets, name))
    return Counter({IPv4Address(source): count for source, count in counted.items()})


def _entries(sockets: NetfilterSockets, name: str) -> Iterator[_Entry]:
    for body in sockets.dump(name, Message(_GET, socket.AF_INET)):
        length, first, _, second, _, third, source, _, fourth, destination = _TUPLE.unpack_from(body)
        kinds = tuple(kind & _KIND_MASK for kind in (first, second, third, fourth))
        if kinds == (_ORIGINAL, _ADDRESSES, _SOURCE, _DESTINATION):
            yield _Entry(source, destination, body[:length])
