"""Netlink messages: packed, exchanged over one socket, and read; with the family header of netfilter's.

Source: netlink(7), <linux/netlink.h>, <linux/netfilter/nfnetlink.h>.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

CONNTRACK, NFTABLES = 1 << 8, 10 << 8
"""Subsystems; the number of a message is one of these and its number there."""
INET = 1  # NFPROTO_INET
ACK, DUMP = 0x004, 0x300
CREATE, APPEND = 0x400, 0x800

ROUTE, NETFILTER = 0, 12  # NETLINK_ROUTE, NETLINK_NETFILTER
"""Families of sockets."""

_REQUEST, _INTERRUPTED = 0x001, 0x010
_ERROR, _DONE, _BATCH_BEGIN, _BATCH_END = 2, 3, 0x10, 0x11
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_BODY = _HEADER.size + _FAMILY.size
"""Place of the attributes in a netfilter message."""
_NESTED = 0x8000
_KIND = 0x3FFF  # without the flags of nested and byte-ordered attributes
_LARGEST = 1 << 16
_SO_SNDBUFFORCE = 32
_ROOM = 4 << 20


class Message(NamedTuple):
    """A request to the kernel.

    Attributes:
        kind: subsystem and number.
        family: address family.
        attributes: packed attributes.
        flags: `CREATE` and `APPEND`, for an object to add.
    """

    kind: int
    family: int
    attributes: bytes = b""
    flags: int = 0


class KernelRefusal(OSError):
    """The kernel answered with an error; EINTR if the listed objects changed meanwhile."""


def opened(family: int = NETFILTER) -> socket.socket:
    """Open a socket in the network namespace of the calling thread."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)


def make_room(connection: socket.socket) -> None:
    """Make room for a large transaction, as far as the host allows."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _ROOM)
    except PermissionError:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)


def exchange(connection: socket.socket, kind: int, body: bytes, flags: int) -> Iterator[bytes]:
    """Send a request and yield each message of the answer, with its header.

    Args:
        flags: `DUMP` for a list, `ACK` for one object or none.

    Raises:
        KernelRefusal: (at the end) the kernel's error.
        OSError: the socket's, `TimeoutError` included.
    """
    connection.send(_packed(kind, body, 1, flags))
    interrupted = 0
    while True:
        for _, answer_kind, signs, message in _messages(connection.recv(_LARGEST)):
            interrupted |= signs & _INTERRUPTED
            if answer_kind in (_ERROR, _DONE):
                code = _code(message) or (errno.EINTR if interrupted else 0)
                if code:
                    raise KernelRefusal(code, os.strerror(code))
                return
            yield message


def answers(connection: socket.socket, message: Message, flags: int = DUMP) -> Iterator[bytes]:
    """Send a request and yield the attributes of each object in the answer.

    Args:
        flags: `DUMP` for a list, `ACK` for the object of a key.

    Raises:
        KernelRefusal: (at the end) the kernel's error.
        OSError: the socket's, `TimeoutError` included.
    """
    for found in exchange(connection, message.kind, _body(message), flags):
        yield found[_BODY:]


def answer(connection: socket.socket, message: Message) -> bytes | None:
    """Send a request and return the attributes of its only answer; None if it is an error.

    Raises:
        OSError: the socket's, `TimeoutError` included.
    """
    connection.send(_packed(message.kind, _body(message), 1, 0))
    _, kind, _, found = next(_messages(connection.recv(_LARGEST)))
    return None if kind == _ERROR else found[_BODY:]


def complaints(connection: socket.socket, messages: Sequence[Message], *, batch: int | None = None) -> Iterator[int]:
    """Send changes and yield the error number of each one that the kernel refuses.

    Args:
        batch: subsystem in which they are one transaction: all of them take effect, or none. None: each on its own.

    Raises:
        OSError: the socket's, `TimeoutError` included.
    """
    last = len(messages)
    # The kernel answers a message that it refuses, and the last one, which requests an answer.
    data = b"".join(
        _packed(each.kind, _body(each), number, each.flags | (ACK if number == last else 0))
        for number, each in enumerate(messages, 1)
    )
    if batch is not None:
        header = _FAMILY.pack(socket.AF_UNSPEC, 0, batch >> 8)
        data = _packed(_BATCH_BEGIN, header, 0, 0) + data + _packed(_BATCH_END, header, 0, 0)
    connection.send(data)
    while True:
        for number, kind, _, answered in _messages(connection.recv(_LARGEST)):
            if kind == _ERROR and (code := _code(answered)):
                yield code
            if number == last:
                return


def attribute(kind: int, value: bytes) -> bytes:
    """Pack an attribute with its padding."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, value: bytes) -> bytes:
    """Pack an attribute that consists of attributes."""
    return attribute(kind | _NESTED, value)


def text(kind: int, value: str) -> bytes:
    """Pack an attribute that is a string."""
    return attribute(kind, packed_text(value))


def packed_text(value: str) -> bytes:
    """Pack a zero-terminated string."""
    return value.encode() + b"\0"


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and value of each attribute."""
    at, last, unpack, head = 0, len(data) - _ATTRIBUTE.size, _ATTRIBUTE.unpack_from, _ATTRIBUTE.size
    while at <= last:
        length, kind = unpack(data, at)
        yield kind & _KIND, data[at + head : at + length]
        # An attribute without a length must not make this an endless loop.
        at += (length + 3) & ~3 or head


def only(data: bytes, kinds: Collection[int]) -> bytes:
    """Copy packed attributes of these kinds as they are."""
    at, kept = 0, []
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        step = (length + 3) & ~3 or _ATTRIBUTE.size
        if kind & _KIND in kinds:
            kept.append(data[at : at + step])
        at += step
    return b"".join(kept)


def _body(message: Message) -> bytes:
    return _FAMILY.pack(message.family, 0, 0) + message.attributes


def _packed(kind: int, body: bytes, number: int, flags: int) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, number, 0) + body


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield number, kind, flags and the whole of each message."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, number, _ = _HEADER.unpack_from(data, at)
        yield number, kind, flags, data[at : at + length]
        at += max(_HEADER.size, (length + 3) & ~3)


def _code(message: bytes) -> int:
    return -int(_CODE.unpack_from(message, _HEADER.size)[0])
