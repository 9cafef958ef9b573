"""WireGuard keys: 32 bytes of Curve25519 in base64 (wg(8))."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from appliance.model.errors import Invalid

KEY_BYTES = 32


@dataclass(frozen=True)
class KeyPair:
    """A Curve25519 key pair in base64; `repr` omits the private key."""

    private: str
    public: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


def new_key_pair() -> KeyPair:
    private = X25519PrivateKey.generate()
    return KeyPair(
        private=base64.b64encode(private.private_bytes_raw()).decode(),
        public=base64.b64encode(private.public_key().public_bytes_raw()).decode(),
    )


def public_key_of(private: str) -> str:
    """The public key of a private key, both in base64.

    Raises:
        ValueError: the private key is not 32 bytes in base64.
    """
    pair = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    return base64.b64encode(pair.public_key().public_bytes_raw()).decode()


def check_public_key(text: str) -> str:
    """The public key in canonical base64.

    Raises:
        Invalid: not base64 of 32 bytes, or a point of small order (RFC 7748, section 6.1), such as the all-zero key,
            which stands for no key in WireGuard.
    """
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise Invalid("The public key is not a WireGuard key: 32 bytes in base64, 44 characters.", field="public_key")
    if not _is_usable(raw):
        raise Invalid("The public key belongs to no private key.", field="public_key")
    # base64 has several spellings for the last bits; uniqueness in the database needs one.
    return base64.b64encode(raw).decode()


def _is_usable(public: bytes) -> bool:
    try:
        # Refused for points of small order, with which every exchange gives zero.
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return False
    return True
