"""Identifiers: short, random, safe in a URL, a file name and a network namespace's name."""

from __future__ import annotations

import secrets

# No vowels, no 0/1/l/o: an id never spells a word and is never misread.
_ALPHABET = "bcdfghjkmnpqrstvwxz23456789"
ORGANIZATION_ID_LENGTH = 10
INSTANCE_ID_LENGTH = 3
ORGANIZATION_ID = f"[a-z0-9]{{{ORGANIZATION_ID_LENGTH}}}"
"""Pattern of a whole organization's id."""
INSTANCE_ID = f"[a-z0-9]{{{INSTANCE_ID_LENGTH}}}"
"""Pattern of a whole instance's id, which is part of paths and names of root's."""


def new_id(length: int = 12) -> str:
    """A random identifier with 4.75 bits a character."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_revision() -> int:
    """A random number that no earlier one is like, of 63 bits: what a database takes for an integer."""
    return secrets.randbits(63)


def new_organization_id() -> str:
    """Ten characters: with the instance's three and a prefix they just fit into a link's name (15)."""
    return new_id(ORGANIZATION_ID_LENGTH)


def new_instance_id() -> str:
    """Tells what this instance owns on a host from what another one owns."""
    return new_id(INSTANCE_ID_LENGTH)
