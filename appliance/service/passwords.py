"""Passwords: Argon2id (RFC 9106) with the parameters of OWASP's cheat sheet."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from appliance.model.errors import Invalid

SHORTEST = 10
LONGEST = 1024

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# The hash of a random text that nobody kept: checked when there is no such account, so that both answers take the
# same time.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$NksaE20mW6tY8jr3wKlCag$b8UxOPnXnWSt4Ik5cUaqJ5A4PjV9uHDubVEKq1zB2j0"


def check_new(password: str, *, field: str = "password") -> str:
    """A password that may be chosen.

    Raises:
        Invalid: too short or too long.
    """
    if len(password) < SHORTEST:
        raise Invalid(f"The password has {len(password)} characters; {SHORTEST} is the least.", field=field)
    if len(password) > LONGEST:
        raise Invalid(f"The password has more than {LONGEST} characters.", field=field)
    return password


def hash_password(password: str) -> str:
    """A salted hash that says how it was made."""
    return _hasher.hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Whether this is the password; None stands for an account that does not exist, and takes as long."""
    try:
        return _hasher.verify(stored or _NOBODY, password[:LONGEST]) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(stored: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)
