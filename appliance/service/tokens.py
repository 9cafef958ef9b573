"""Random tokens, shown once and stored as hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets

SESSION = "mws_"
INVITATION = "mwi_"
TICKET = "mwl_"
API = "mwt_"
OPERATOR = "mwo_"


def new_token(prefix: str = SESSION) -> str:
    """Make a token of 256 random bits, with a prefix that names its kind and lets leak scanners find it."""
    return prefix + secrets.token_urlsafe(32)


def is_for_programs(token: str) -> bool:
    """True if this is an API token."""
    return token.startswith(API)


def hash_of(token: str) -> str:
    """Hash a token for the store; a fast hash suffices for a random token."""
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_of(token: str) -> str:
    """Derive the CSRF token of a session's forms, which does not reveal the session's token."""
    return hashlib.sha256(b"csrf\0" + token.encode()).hexdigest()


def same(expected: str, shown: str) -> bool:
    """Compare two tokens in constant time, so that the time tells nothing of them."""
    return hmac.compare_digest(expected.encode(), shown.encode())
