"""First message of a WireGuard handshake, as far as it is readable without a private key.

Its ``mac1`` proves that the sender knows the public key that it is meant for, and nothing more: anyone who has that key
can make one, and anyone who saw one can send it again. Source: the WireGuard protocol, section 5.4.4.
"""

from __future__ import annotations

import base64
import hashlib

LENGTH = 148
_TYPE = b"\x01\0\0\0"
_SIGNED = 116
_MAC_LENGTH = 16


class Recognizer:
    """Recognizes initiations that are meant for the owner of a public key.

    Args:
        public_key: base64.
    """

    def __init__(self, public_key: str) -> None:
        key = hashlib.blake2s(b"mac1----" + base64.b64decode(public_key)).digest()
        self._keyed = hashlib.blake2s(key=key, digest_size=_MAC_LENGTH)

    def mac1(self, signed: bytes) -> bytes:
        """Compute the authenticator of an initiation's first 116 bytes."""
        digest = self._keyed.copy()
        digest.update(signed)
        return digest.digest()

    def recognizes(self, datagram: bytes) -> bool:
        """Tell whether this initiation is meant for the public key."""
        # No comparison in constant time is needed: the expected mac1 is no secret.
        return self.mac1(datagram[:_SIGNED]) == datagram[_SIGNED : _SIGNED + _MAC_LENGTH]


def is_initiation(datagram: bytes) -> bool:
    """Tell whether a datagram has the length and the type of an initiation."""
    return len(datagram) == LENGTH and datagram.startswith(_TYPE)
