"""WireGuard's messages, made to look as if they were of another tunnel. Pure.

Source: https://www.wireguard.com/protocol/ and the paper, section 5.4.
"""

from __future__ import annotations

import base64
import hashlib
from enum import IntEnum

_LABEL = b"mac1----"
_MAC = 16


class MessageKind(IntEnum):
    """The first byte of a message."""

    INITIATION = 1
    RESPONSE = 2
    COOKIE = 3
    DATA = 4


_RECEIVER = {MessageKind.RESPONSE: 8, MessageKind.COOKIE: 4, MessageKind.DATA: 4}


def kind(message: bytes) -> MessageKind | None:
    """What kind of message it is; None if it is none of WireGuard's."""
    return (
        MessageKind(message[0])
        if len(message) >= 32 and message[0] in set(MessageKind) and not any(message[1:4])
        else None
    )


def receiver(message: bytes) -> bytes:
    """The session that it is for, by the number that its receiver gave it."""
    at = _RECEIVER[MessageKind(message[0])]
    return message[at : at + 4]


def for_session(message: bytes, number: bytes) -> bytes:
    """The same message, for another session."""
    at = _RECEIVER[MessageKind(message[0])]
    return message[:at] + number + message[at + 4 :]


def for_hub(initiation: bytes, public_key: str) -> bytes:
    """The same initiation with the first MAC that the owner of another key asks for, which takes no secret."""
    covered = initiation[: -2 * _MAC]
    key = hashlib.blake2s(_LABEL + base64.b64decode(public_key)).digest()
    return covered + hashlib.blake2s(covered, digest_size=_MAC, key=key).digest() + bytes(_MAC)
