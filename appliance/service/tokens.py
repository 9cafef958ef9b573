"""Session tokens: random, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_PREFIX = "mws_"


def new_token() -> str:
    """256 random bits, with a prefix by which leak scanners know it."""
    return _PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What the store keeps. A fast hash is right for what nobody can guess."""
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_of(token: str) -> str:
    """What a page must send back with a change. It belongs to the session and does not give it away."""
    return hashlib.sha256(b"csrf\0" + token.encode()).hexdigest()


def same(expected: str, shown: str) -> bool:
    """Compares without telling by its duration how much of it was right."""
    return hmac.compare_digest(expected.encode(), shown.encode())
