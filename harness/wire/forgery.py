"""WireGuard messages that are changed to belong to another tunnel.

Source: https://www.wireguard.com/protocol/ and the paper, section 5.4.
"""

from __future__ import annotations

import base64
import hashlib
from enum import IntEnum

_LABEL = b"mac1----"
_MAC = 16


class MessageKind(IntEnum):
    """Kind of a message: its first byte."""

    INITIATION = 1
    RESPONSE = 2
    COOKIE = 3
    DATA = 4


_RECEIVER_OFFSET = {MessageKind.RESPONSE: 8, MessageKind.COOKIE: 4, MessageKind.DATA: 4}


def kind(message: bytes) -> MessageKind | None:
    """Returns the kind of a message; None if it is none of WireGuard's."""
    return (
        MessageKind(message[0])
        if len(message) >= 32 and message[0] in set(MessageKind) and not any(message[1:4])
        else None
    )


def receiver_index(message: bytes) -> bytes:
    """Returns the index of the session that a message is for, as its receiver chose it."""
    offset = _RECEIVER_OFFSET[MessageKind(message[0])]
    return message[offset : offset + 4]


def for_session(message: bytes, index: bytes) -> bytes:
    """Returns the message with another session's index."""
    offset = _RECEIVER_OFFSET[MessageKind(message[0])]
    return message[:offset] + index + message[offset + 4 :]


def for_hub(initiation: bytes, public_key: str) -> bytes:
    """Returns a handshake initiation with a valid first MAC for another hub's key, which takes no secret."""
    covered = initiation[: -2 * _MAC]
    key = hashlib.blake2s(_LABEL + base64.b64decode(public_key)).digest()
    return covered + hashlib.blake2s(covered, digest_size=_MAC, key=key).digest() + bytes(_MAC)
