"""Tokens: random, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets

SESSION = "mws_"
INVITATION = "mwi_"
TICKET = "mwl_"
API = "mwt_"


def new_token(prefix: str = SESSION) -> str:
    """256 random bits, with a prefix that says what they are for, and by which leak scanners know them."""
    return prefix + secrets.token_urlsafe(32)


def is_for_programs(token: str) -> bool:
    """Whether it was made as an API token."""
    return token.startswith(API)


def hash_of(token: str) -> str:
    """What the store keeps. A fast hash is right for what nobody can guess."""
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_of(token: str) -> str:
    """What a page must send back with a change. It belongs to the session and does not give it away."""
    return hashlib.sha256(b"csrf\0" + token.encode()).hexdigest()


def same(expected: str, shown: str) -> bool:
    """Compares without telling by its duration how much of it was right."""
    return hmac.compare_digest(expected.encode(), shown.encode())
