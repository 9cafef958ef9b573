"""Encoding of messages on a socket: MessagePack with the length in front."""

from __future__ import annotations

import socket
import struct
import threading
import time
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_LENGTH = struct.Struct("!I")
_LONGEST = 64 * 2**20


def _encode_address(value: Any) -> str:
    if isinstance(value, IPv4Address | IPv4Network):
        return str(value)
    raise NotImplementedError(f"no encoding for {type(value)}")


def _decode_address(kind: type, value: Any) -> Any:
    if kind in (IPv4Address, IPv4Network):
        # `kind` would accept a number, and a Boolean as a number.
        if not isinstance(value, str):
            raise ValueError(f"{type(value).__name__} is no address")
        return kind(value)
    raise NotImplementedError(f"no decoding for {kind}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_address)
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}
# Makes one decoder at a time, for the reason in CONTRIBUTING.md.
_making = threading.Lock()


def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    with _making:
        if kind not in _decoders:
            _decoders[kind] = msgspec.msgpack.Decoder(kind, dec_hook=_decode_address)
        return _decoders[kind]


def encode(value: object) -> bytes:
    """Encode a message, or the content of an answer."""
    return _encoder.encode(value)


def decode(data: bytes, kind: type[T] | Any) -> T | Any:
    """Decode a value that `encode` made.

    Raises:
        msgspec.DecodeError: the bytes are no value of this type.
    """
    return _decoder(kind).decode(data)


def send(connection: socket.socket, value: object, within_s: float | None = None) -> None:
    """Send a value.

    Args:
        within_s: seconds in which the other side has to take it. None: the connection's own timeout.

    Raises:
        TimeoutError: it was not taken in time.
    """
    data, own = encode(value), connection.gettimeout()
    if within_s is not None:
        connection.settimeout(within_s)
    try:
        connection.sendall(_LENGTH.pack(len(data)) + data)
    finally:
        connection.settimeout(own)


def receive(connection: socket.socket) -> bytes | None:
    """Receive the bytes of one value; None if the other side closed the connection between two values.

    Raises:
        ConnectionError: the connection ended within a value, or the value is too long.
    """
    length = announced(connection)
    return None if length is None else body(connection, length)


def announced(connection: socket.socket, within_s: float | None = None) -> int | None:
    """Receive the length of the next value in bytes; None if the other side closed the connection before it.

    Args:
        within_s: seconds from its first byte on in which it has to be there; the wait for that has no end. None: the
            connection's own timeout, for each byte.

    Raises:
        ConnectionError: the connection ended within the length, or the value is too long.
        TimeoutError: it was not there in time.
    """
    head = connection.recv(_LENGTH.size)
    if not head:
        return None
    head += _exactly(connection, _LENGTH.size - len(head), within_s)
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise ConnectionError(f"a message of {length} bytes was announced")
    return int(length)


def body(connection: socket.socket, length: int, within_s: float | None = None) -> bytes:
    """Receive the bytes of an announced value.

    Args:
        within_s: seconds in which it has to be there. None: the connection's own timeout, for each part.

    Raises:
        ConnectionError: the connection ended before or within it.
        TimeoutError: it was not there in time.
    """
    return _exactly(connection, length, within_s)


def _exactly(connection: socket.socket, count: int, within_s: float | None) -> bytes:
    parts = bytearray()
    own, until = connection.gettimeout(), None if within_s is None else time.monotonic() + within_s
    try:
        while len(parts) < count:
            if until is not None:
                _wait_until(connection, until)
            chunk = connection.recv(min(count - len(parts), 2**20))
            if not chunk:
                raise ConnectionError("the connection ended within a message")
            parts += chunk
    finally:
        connection.settimeout(own)
    return bytes(parts)


def _wait_until(connection: socket.socket, until: float) -> None:
    """Let the next call on a connection wait until then; monotonic seconds."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("a message did not arrive in time")
    connection.settimeout(left)
