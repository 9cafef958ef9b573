"""WireGuard keys: 32 bytes of Curve25519, written in base64 (wg(8))."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from appliance.model.errors import Invalid

KEY_BYTES = 32


@dataclass(frozen=True)
class KeyPair:
    """A Curve25519 pair in WireGuard's base64 form; the private half never shows in a repr."""

    private: str
    public: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


def new_key_pair() -> KeyPair:
    """A fresh pair."""
    private = X25519PrivateKey.generate()
    return KeyPair(
        private=base64.b64encode(private.private_bytes_raw()).decode(),
        public=base64.b64encode(private.public_key().public_bytes_raw()).decode(),
    )


def public_key_of(private: str) -> str:
    """The public half that belongs to a private key of 32 bytes, both in base64.

    Raises:
        ValueError: it is no such key.
    """
    pair = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    return base64.b64encode(pair.public_key().public_bytes_raw()).decode()


def check_public_key(text: str) -> str:
    """A public key in its one canonical base64 form.

    Raises:
        Invalid: not base64 of 32 bytes, or no machine can have it: the all-zero key, which WireGuard takes for no key,
            or another point of small order (RFC 7748, section 6.1).
    """
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise Invalid("The public key is not a WireGuard key: 32 bytes in base64, 44 characters.", field="public_key")
    if not _agrees(raw):
        raise Invalid("The public key is none that a private key has.", field="public_key")
    # base64 has several spellings for the last bits; the database's uniqueness wants one.
    return base64.b64encode(raw).decode()


def _agrees(public: bytes) -> bool:
    """Whether a secret can be agreed upon with it: with a point of small order, all agree on zero."""
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return False
    return True
