"""WireGuard keys: Curve25519 (RFC 7748), in the base64 form that wg(8) reads and writes."""

from __future__ import annotations

import base64

# `cryptography` is imported late: the launcher of a sandbox has the standard library only, since an ordinary user may
# not be able to read the packages of the user who asked for the sandbox.


def genkey() -> str:
    """Returns a new private key, in base64."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return base64.b64encode(X25519PrivateKey.generate().private_bytes_raw()).decode()


def pubkey(private_key: str) -> str:
    """Returns the public key of a private key, both in base64.

    Raises:
        ValueError: `private_key` is not the base64 of 32 bytes.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = X25519PrivateKey.from_private_bytes(base64.b64decode(private_key, validate=True))
    return base64.b64encode(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
