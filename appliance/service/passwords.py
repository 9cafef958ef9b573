"""Passwords: rules for new ones, and hashes.

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
from appliance.model.sentences import numbered
from appliance.service.slots import Slots

SHORTEST = 10
LONGEST = 1024

# A character may be typed as several code points: a letter and its accents.
_LONGEST_TYPED = 4 * LONGEST
_PRODUCT = "meshwg"
_SHORTEST_WORD = 4
_FEWEST_DIFFERENT = 4

# A hash takes a whole processor for some 30 ms. Few log-ins may wait, since each holds a thread.
slots = Slots(at_once=len(os.sched_getaffinity(0)), waiting=8)
"""Slots of this process for hashing."""

hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""Hashes and checks passwords, at the cost that OWASP recommends."""

# Hash of a random text that was not kept. It is checked if there is no such account, so that both answers take the same
# time.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$NksaE20mW6tY8jr3wKlCag$b8UxOPnXnWSt4Ik5cUaqJ5A4PjV9uHDubVEKq1zB2j0"
# One text with a line per password, in lower case: a search takes a tenth of a millisecond, a set would take ten times
# the memory. Read at import, because later the process may not be allowed to.
_COMMON = b"\n" + gzip.decompress((Path(__file__).parent / "common-passwords.txt.gz").read_bytes())


@dataclass(frozen=True)
class Caller:
    """Caller for whom passwords are hashed.

    Attributes:
        crowd: queue that the caller shares with others, such as the network of the call.
        is_favoured: whether it is served before strangers.
    """

    crowd: str
    is_favoured: bool = False


_OPERATOR = Caller("", is_favoured=True)
_caller: ContextVar[Caller] = ContextVar("_caller", default=_OPERATOR)


@contextmanager
def on_behalf_of(caller: Caller) -> Iterator[None]:
    """Hash in this caller's queue during the block; without a block, as on the command line, hashes are favoured."""
    before = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(before)


def check_new(password: str, *, about: Iterable[str], field: str = "password") -> str:
    """Check a new password, which may have any characters but must not be easy to guess; returns it.

    Args:
        password: as typed.
        about: public facts about the person, such as the e-mail address and the organization's name.
        field: name of the input field.

    Raises:
        Invalid: too short or too long, known from breaches, or little more than ``about`` or the product's name.
    """
    text = _normal(password[:_LONGEST_TYPED])
    if len(text) < SHORTEST:
        raise Invalid(
            numbered(
                "The password has {n} character; {least} is the least.",
                "The password has {n} characters; {least} is the least.",
                len(text),
                least=SHORTEST,
            ),
            field=field,
        )
    if len(text) > LONGEST or len(password) > _LONGEST_TYPED:
        raise Invalid("The password has more than {longest} characters.", field=field, longest=LONGEST)
    text = text.casefold()
    if f"\n{text}\n".encode() in _COMMON:
        raise Invalid("This password is among those that attackers try first. Choose another.", field=field)
    if len(set(text)) < _FEWEST_DIFFERENT or _is_sequence(text):
        raise Invalid("This password is a repetition or a sequence, and easy to guess. Choose another.", field=field)
    if _is_mostly(text, _words(about)):
        raise Invalid("This password is little more than a name that others know. Choose another.", field=field)
    return password


def hash_password(password: str) -> str:
    """Hash a password, with salt and parameters in the hash.

    Raises:
        TooMany: too many callers wait.
    """
    with _slot():
        return hasher.hash(_normal(password))


def verify(stored: str | None, password: str) -> bool:
    """Compare a password with its hash.

    Args:
        stored: the hash; None if there is no such account: the answer is False then, after the same time.
        password: as typed.

    Raises:
        TooMany: too many callers wait.
    """
    with _slot():
        try:
            return hasher.verify(stored or _NOBODY, _normal(password[:_LONGEST_TYPED])) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(stored: str) -> bool:
    """True if the hash was made with other parameters than today's."""
    return hasher.check_needs_rehash(stored)


def _slot() -> AbstractContextManager[None]:
    caller = _caller.get()
    return slots.taken(caller.crowd, is_favoured=caller.is_favoured)


def _normal(password: str) -> str:
    """Normalize Unicode, as keyboards differ in how they compose characters."""
    return unicodedata.normalize("NFKC", password)


def _is_sequence(text: str) -> bool:
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({1}, {-1})


def _words(about: Iterable[str]) -> set[str]:
    """List each name and its parts, without short ones."""
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
