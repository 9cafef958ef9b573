"""WireGuard keys: Curve25519, in the base64 that `wg` reads and writes."""

from __future__ import annotations

import base64

# What starts a sandbox has the standard library only: an ordinary user may not get at the packages of who asks for it.


def genkey() -> str:
    """A new private key, base64."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return base64.b64encode(X25519PrivateKey.generate().private_bytes_raw()).decode()


def pubkey(private_key: str) -> str:
    """The public key of a private key, both base64.

    Raises:
        ValueError: `private_key` is not the base64 of 32 bytes.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = X25519PrivateKey.from_private_bytes(base64.b64decode(private_key, validate=True))
    return base64.b64encode(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
