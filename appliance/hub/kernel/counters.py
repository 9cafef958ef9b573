"""The counters of a table, read by netlink: a listing by libnftables reads chains and sets of the table too, and takes
four times as long. Source: <linux/netfilter/nf_tables.h>, <linux/netfilter/nfnetlink.h>."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

from appliance.hub.errors import RulesetError
from appliance.hub.kernel import namespace
from appliance.hub.kernel.netlink import Netlink
from appliance.hub.ruleset import Count

_NETLINK_NETFILTER = 12
_GETOBJ = 10 << 8 | 19
_REQUEST, _DUMP = 0x001, 0x300
_ERROR, _DONE = 2, 3
_INTERRUPTED = 0x10
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.pack(">BBH", 1, 0, 0)  # inet
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_NUMBER = struct.Struct(">Q")
_KIND = 0x3FFF  # without the flags of nested and byte-ordered attributes
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_COUNTER = struct.pack(">I", 1)
_BYTES, _PACKETS = 1, 2
# Somebody who changes the table all the time must not keep us reading for good.
_MOST_TRIES = 3


def read(name: str, table: str) -> dict[str, Count]:
    """What the counters of an inet table say in the namespace of that name; none where there is no such table.

    Raises:
        RulesetError: the kernel refused to tell.
        NamespaceError: there is no such namespace.
    """
    with namespace.entered(name):
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    with closing(opened):
        found: dict[str, Count] = {}
        for _ in range(_MOST_TRIES):
            found.clear()
            if _dump(opened, table, found):
                break
        return found


def read_one(netlink: Netlink, name: str, table: str, counter: str) -> int:
    """The packets of one counter of an inet table, in the namespace of that name; 0 if there is no such counter.

    Raises:
        RulesetError: the kernel did not tell.
        NamespaceError: there is no such namespace.
    """
    which = _attribute(_TABLE, table.encode() + b"\0") + _attribute(_NAME, counter.encode() + b"\0")
    kind, answer = netlink.ask(name, (_GETOBJ, _REQUEST, 1, which + _attribute(_TYPE, _COUNTER)))
    found: dict[str, Count] = {}
    if kind != _ERROR:
        _take(answer, 0, len(answer), found)
    return found[counter].packets if counter in found else 0


def _dump(opened: socket.socket, table: str, found: dict[str, Count]) -> bool:
    """Whether the table stayed the same while it was read."""
    body = _FAMILY + _attribute(_TABLE, table.encode() + b"\0") + _attribute(_TYPE, _COUNTER)
    opened.send(_HEADER.pack(_HEADER.size + len(body), _GETOBJ, _REQUEST | _DUMP, 1, 0) + body)
    interrupted = False
    while True:
        data = opened.recv(1 << 18)
        at = 0
        while at < len(data):
            length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
            interrupted |= bool(flags & _INTERRUPTED)
            if kind in (_ERROR, _DONE):
                code = -_CODE.unpack_from(data, at + _HEADER.size)[0]
                if code not in (0, errno.ENOENT, errno.EINTR):
                    raise RulesetError(f"nftables could not list the counters of table {table}: {os.strerror(code)}")
                return not interrupted and code != errno.EINTR
            _take(data, at + _HEADER.size + len(_FAMILY), at + length, found)
            at += (length + 3) & ~3


def _take(data: bytes, start: int, end: int, found: dict[str, Count]) -> None:
    name, packets, octets = "", 0, 0
    for kind, first, last in _attributes(data, start, end):
        if kind == _NAME:
            name = data[first : last - 1].decode()
        elif kind == _DATA:
            for inner, value, _ in _attributes(data, first, last):
                if inner == _PACKETS:
                    (packets,) = _NUMBER.unpack_from(data, value)
                elif inner == _BYTES:
                    (octets,) = _NUMBER.unpack_from(data, value)
    found[name] = Count(packets, octets)


def _attributes(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Kind, and where the value begins and ends, of each attribute."""
    while at + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        yield kind & _KIND, at + _ATTRIBUTE.size, at + length
        # One without a length would be read for good.
        at += max(_ATTRIBUTE.size, (length + 3) & ~3)


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)
