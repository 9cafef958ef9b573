"""Encoding of messages on a socket: MessagePack with the length in front."""

from __future__ import annotations

import socket
import struct
import threading
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


def send(connection: socket.socket, value: object) -> None:
    data = encode(value)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket) -> bytes | None:
    """Receive the bytes of one value; None if the other side closed the connection between two values.

    Raises:
        ConnectionError: the connection ended within a value, or the value is too long.
    """
    length = announced(connection)
    return None if length is None else body(connection, length)


def announced(connection: socket.socket) -> int | None:
    """Receive the length of the next value in bytes; None if the other side closed the connection before it.

    Raises:
        ConnectionError: the connection ended within the length, or the value is too long.
    """
    head = _exactly(connection, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise ConnectionError(f"a message of {length} bytes was announced")
    return int(length)


def body(connection: socket.socket, length: int) -> bytes:
    """Receive the bytes of an announced value.

    Raises:
        ConnectionError: the connection ended before or within it.
    """
    data = _exactly(connection, length)
    if data is None:
        raise ConnectionError("the connection ended within a message")
    return data


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        chunk = connection.recv(min(count - len(parts), 2**20))
        if not chunk:
            if parts:
                raise ConnectionError("the connection ended within a message")
            return None
        parts += chunk
    return bytes(parts)
