"""Passwords: which may be chosen, and how they are kept.

Source: NIST SP 800-63B, 3.1.1; Argon2id as in RFC 9106, with the parameters of OWASP's cheat sheet.
"""

from __future__ import annotations

import gzip
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from appliance.model.errors import Invalid
from appliance.service.slots import Slots

SHORTEST = 10
LONGEST = 1024

# A character may be typed as several, a letter and its accents.
_LONGEST_TYPED = 4 * LONGEST
_PRODUCT = "meshwg"
_SHORTEST_WORD = 4
_FEWEST_DIFFERENT = 4

# A hash takes a whole processor for some 30 ms. Beyond these, a log-in waits; few do, since each holds a thread.
slots = Slots(at_once=len(os.sched_getaffinity(0)), waiting=8)
"""Slots for hashing, for the whole process."""

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# The hash of a random text that nobody kept: checked when there is no such account, so that both answers take the
# same time.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$NksaE20mW6tY8jr3wKlCag$b8UxOPnXnWSt4Ik5cUaqJ5A4PjV9uHDubVEKq1zB2j0"
# One text with a line for each, in lower case: searching it takes a tenth of a millisecond, a set ten times its memory.
# Read here, because later the process may not be allowed to.
_COMMON = b"\n" + gzip.decompress((Path(__file__).parent / "common-passwords.txt.gz").read_bytes())


@dataclass(frozen=True)
class Caller:
    """On whose behalf passwords are hashed.

    Attributes:
        crowd: with whom the caller waits in line, as the network that the call comes from.
        is_favoured: whether it comes before strangers.
    """

    crowd: str
    is_favoured: bool = False


_OPERATOR = Caller("", is_favoured=True)
_caller: ContextVar[Caller] = ContextVar("_caller", default=_OPERATOR)


@contextmanager
def on_behalf_of(caller: Caller) -> Iterator[None]:
    """Hashes within the block wait in this caller's line; without it, as on the command line, they are favoured."""
    before = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(before)


def check_new(password: str, *, about: Iterable[str], field: str = "password") -> str:
    """A password that may be chosen: of any characters, spaces included, but not one that is guessed early.

    Args:
        password: as it was typed.
        about: what others know of whoever chooses it, as the e-mail address and the organization's name.
        field: what the input is called.

    Raises:
        Invalid: too short or too long, known from breaches, or little more than ``about`` or the product's name.
    """
    text = _normal(password[:_LONGEST_TYPED])
    if len(text) < SHORTEST:
        raise Invalid(f"The password has {len(text)} characters; {SHORTEST} is the least.", field=field)
    if len(text) > LONGEST or len(password) > _LONGEST_TYPED:
        raise Invalid(f"The password has more than {LONGEST} characters.", field=field)
    text = text.casefold()
    if f"\n{text}\n".encode() in _COMMON:
        raise Invalid("This password is among those that attackers try first. Choose another.", field=field)
    if len(set(text)) < _FEWEST_DIFFERENT or _is_sequence(text):
        raise Invalid("This password repeats or counts; it is guessed early. Choose another.", field=field)
    if _is_mostly(text, _words(about)):
        raise Invalid("This password is little more than a name that others know. Choose another.", field=field)
    return password


def hash_password(password: str) -> str:
    """A salted hash that says how it was made.

    Raises:
        TooMany: too many others wait for one.
    """
    with _slot():
        return _hasher.hash(_normal(password))


def verify(stored: str | None, password: str) -> bool:
    """Whether this is the password; None stands for an account that does not exist, and takes as long.

    Raises:
        TooMany: as for `hash_password`.
    """
    with _slot():
        try:
            return _hasher.verify(stored or _NOBODY, _normal(password[:_LONGEST_TYPED])) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(stored: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _slot() -> AbstractContextManager[None]:
    caller = _caller.get()
    return slots.taken(caller.crowd, is_favoured=caller.is_favoured)


def _normal(password: str) -> str:
    """The same text for the same keys, whatever keyboard they are on."""
    return unicodedata.normalize("NFKC", password)


def _is_sequence(text: str) -> bool:
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({1}, {-1})


def _words(about: Iterable[str]) -> set[str]:
    """Each name as a whole and in its parts."""
    names = [_PRODUCT, *(_normal(name).casefold() for name in about)]
    return {
        word
        for name in names
        for word in (name, *name.split("@"), *re.split(r"[\W_]+", name))
        if len(word) >= _SHORTEST_WORD
    }


def _is_mostly(text: str, words: set[str]) -> bool:
    left = text
    for word in sorted(words, key=len, reverse=True):
        left = left.replace(word, "")
    return 2 * len(left) < len(text)
