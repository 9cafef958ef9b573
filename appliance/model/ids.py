"""Random identifiers, safe in URLs, file names and names of network namespaces."""

from __future__ import annotations

import secrets

# No vowels, no 0/1/l/o: an id never spells a word and is never misread.
_ALPHABET = "bcdfghjkmnpqrstvwxz23456789"
ORGANIZATION_ID_LENGTH = 10
INSTANCE_ID_LENGTH = 3
ORGANIZATION_ID = f"[a-z0-9]{{{ORGANIZATION_ID_LENGTH}}}"
"""Pattern of an organization's id."""
OPERATORS = "operators"
"""Owner of operators' secrets, in the place of an organization's id; no organization can have this id."""
INSTANCE_ID = f"[a-z0-9]{{{INSTANCE_ID_LENGTH}}}"
"""Pattern of an instance's id. Root uses the id in paths and names."""


def new_id(length: int = 12) -> str:
    """A random identifier with 4.75 bits a character."""
    # One draw for all characters: each draw is a call of the kernel.
    number = secrets.randbelow(len(_ALPHABET) ** length)
    return "".join(_ALPHABET[number // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(length))


def new_revision() -> int:
    """A random number of 63 bits, which fits a database's signed integer."""
    return secrets.randbits(63)


def new_organization_id() -> str:
    """An id of ten characters: a link's name has 15, for a prefix, the instance's id and this one."""
    return new_id(ORGANIZATION_ID_LENGTH)


def new_instance_id() -> str:
    """An id that tells the kernel objects of this instance from those of others on the host."""
    return new_id(INSTANCE_ID_LENGTH)
