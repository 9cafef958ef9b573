"""Netfilter sockets that stay open, one in each namespace, and the questions and changes that go through them.

Closing such a socket waits until the kernel has freed what the last transaction replaced, 5 to 25 ms. An open one keeps
its namespace alive, so `forget` comes before the namespace is removed.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence

from appliance.hub.errors import RulesetError
from appliance.hub.kernel import namespace
from appliance.hub.kernel.descriptors import raised

REQUEST, ACK, DUMP = 0x001, 0x004, 0x300
SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES

_NETFILTER = 12  # NETLINK_NETFILTER
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_BATCH_BEGIN, _BATCH_END, _ERROR, _DONE = 0x10, 0x11, 2, 3
_TIMEOUT = 2.0

Message = tuple[int, int, int, bytes]
"""Kind, flags, address family and attributes."""


class Netlink:
    """One thread at a time works on one namespace."""

    def __init__(self) -> None:
        self._open: dict[str, socket.socket] = {}

    def ask(self, name: str, message: Message) -> tuple[int, bytes]:
        """One question to the namespace of that name: the kind of the answer, and its attributes.

        Raises:
            RulesetError: the kernel did not tell.
            NamespaceError: there is no such namespace.
        """
        connection = self._connection(name)
        try:
            connection.send(_packed(message, 1))
            _, kind, body = next(_messages(connection.recv(1 << 16)))
        except OSError as error:
            # A late answer must not be taken for that to the next question.
            self.forget(name)
            raise RulesetError(f"the rules of {name} can't be read: {error}") from error
        return kind, body[_FAMILY.size :]

    def change(self, name: str, messages: Sequence[Message]) -> None:
        """One transaction in the namespace of that name: all of it takes effect, or none.

        Raises:
            RulesetError: the kernel refused it.
            NamespaceError: there is no such namespace.
        """
        connection = self._connection(name)
        # The kernel answers for a message that it refuses, and for the last one.
        *others, (kind, flags, family, attributes) = messages
        asked = [*others, (kind, flags | ACK, family, attributes)]
        data = _packed((_BATCH_BEGIN, REQUEST, socket.AF_UNSPEC, b""), 0, SUBSYSTEM)
        data += b"".join(_packed(each, number) for number, each in enumerate(asked, 1))
        data += _packed((_BATCH_END, REQUEST, socket.AF_UNSPEC, b""), 0, SUBSYSTEM)
        try:
            connection.send(data)
            error = self._first_error(connection, len(asked))
        except OSError as complaint:
            self.forget(name)
            raise RulesetError(f"the rules of {name} can't be changed: {complaint}") from complaint
        if error:
            self.forget(name)
            raise RulesetError(f"the kernel refused to change the rules of {name}: {os.strerror(error)}")

    def dump(self, name: str, message: Message) -> Iterator[bytes]:
        """Everything that the namespace of that name lists when it is asked this: the attributes of each.

        Raises:
            RulesetError: the kernel did not tell.
            NamespaceError: there is no such namespace.
        """
        connection = self._connection(name)
        kind, flags, family, attributes = message
        try:
            connection.send(_packed((kind, flags | DUMP, family, attributes), 1))
            while True:
                for _, told, body in _messages(connection.recv(1 << 16)):
                    if told in (_DONE, _ERROR):
                        return
                    yield body[_FAMILY.size :]
        except OSError as error:
            self.forget(name)
            raise RulesetError(f"a list in {name} can't be read: {error}") from error

    def tell(self, name: str, messages: Sequence[Message], unless: int) -> None:
        """One message after the other, each of which takes effect or not.

        Args:
            unless: the error (errno) that is none.

        Raises:
            RulesetError: the kernel refused one.
            NamespaceError: there is no such namespace.
        """
        connection = self._connection(name)
        # The kernel answers for each that it refuses, and for the last one.
        *others, (kind, flags, family, attributes) = messages
        asked = [*others, (kind, flags | ACK, family, attributes)]
        try:
            connection.send(b"".join(_packed(each, number) for number, each in enumerate(asked, 1)))
            codes = self._errors(connection, len(asked))
        except OSError as complaint:
            self.forget(name)
            raise RulesetError(f"nothing can be changed in {name}: {complaint}") from complaint
        if refused := [code for code in codes if code not in (0, unless)]:
            raise RulesetError(f"the kernel refused a change in {name}: {os.strerror(refused[0])}")

    def forget(self, name: str) -> None:
        """Closes what is open in that namespace."""
        connection = self._open.pop(name, None)
        if connection is not None:
            connection.close()

    def _connection(self, name: str) -> socket.socket:
        connection = self._open.get(name)
        if connection is None:
            with namespace.entered(name):
                low = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
                connection = socket.socket(fileno=raised(low.detach()))
            connection.settimeout(_TIMEOUT)
            self._open[name] = connection
        return connection

    def _first_error(self, connection: socket.socket, last: int) -> int:
        return next((code for code in self._errors(connection, last, first=True) if code), 0)

    def _errors(self, connection: socket.socket, last: int, *, first: bool = False) -> list[int]:
        codes = []
        while True:
            for number, kind, body in _messages(connection.recv(1 << 16)):
                codes.append(-int.from_bytes(body[:4], sys.byteorder, signed=True) if kind == _ERROR else 0)
                if number == last or (first and codes[-1]):
                    return codes


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute with its padding."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def text(kind: int, value: str) -> bytes:
    """An attribute that is a string."""
    return attribute(kind, value.encode() + b"\0")


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each attribute."""
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[max(_ATTRIBUTE.size, (length + 3) & ~3) :]


def _packed(message: Message, number: int, resource: int = 0) -> bytes:
    kind, flags, family, rest = message
    body = _FAMILY.pack(family, 0, resource) + rest
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, number, 0) + body


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, kind and body of each message."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, number, _ = _HEADER.unpack_from(data, at)
        yield number, kind, data[at + _HEADER.size : at + length]
        at += max(_HEADER.size, (length + 3) & ~3)
