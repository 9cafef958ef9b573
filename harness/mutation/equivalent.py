"""Mutants that do what the product does, reviewed one by one. Each is known by what it changes, not by its line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.mutation.mutants import Mutant

_FILE = Path(__file__).with_name("equivalent.toml")


class Equivalent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mutant that does what the product does.

    Attributes:
        path: the file, relative to the repository.
        function: qualified name of the function or class that is changed; "" for the module.
        operator: name of the operator.
        was: the changed lines of the product, without their layout.
        becomes: the same lines of the mutant.
        reason: why nothing can tell them apart.
    """

    path: str
    function: str
    operator: str
    was: str
    becomes: str
    reason: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mutant: tuple[Equivalent, ...] = ()


def read(file: Path = _FILE) -> tuple[Equivalent, ...]:
    """Reads the reviewed list."""
    return msgspec.toml.decode(file.read_bytes(), type=_File).mutant


def reason_for(mutant: Mutant, reviewed: Iterable[Equivalent]) -> str:
    """Returns the reason why a mutant does what the product does; "" for one that is not in the list."""
    found = (each.reason for each in reviewed if is_of(each, mutant))
    return next(found, "")


def is_of(reviewed: Equivalent, mutant: Mutant) -> bool:
    """Tells whether an entry of the list is about a mutant."""
    place = (reviewed.path, reviewed.function, reviewed.operator) == (mutant.path, mutant.function, mutant.operator)
    return place and (reviewed.was, reviewed.becomes) == (mutant.was, mutant.becomes)
