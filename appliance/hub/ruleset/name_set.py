"""Sets of names that share most of their parts with those that they were made from."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from itertools import compress
from typing import Any

_PARTS = 256
_NUMBERS = range(_PARTS)
_EMPTY: frozenset[str] = frozenset()
_NOTHING = (_EMPTY,) * _PARTS


class NameSet(Set[str]):
    """Immutable set, in parts by the hash of the name.

    A set that was made from another one by a small change has nearly all of its parts. Parts that are one object need
    no comparison, so the difference of the two costs as much as the change, however large both are.

    Args:
        parts: the names of each part; `of` finds them.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Iterable[frozenset[str]] = _NOTHING) -> None:
        self._parts = tuple(parts)

    @classmethod
    def of(cls, names: Iterable[str]) -> NameSet:
        """Set of these names."""
        return cls().with_names(names)

    def with_names(self, names: Iterable[str]) -> NameSet:
        """Copy of this set with further names."""
        parts = list(self._parts)
        for at, added in _by_part(names).items():
            if not added <= parts[at]:
                parts[at] |= added
        return NameSet(parts)

    def without_names(self, names: Iterable[str]) -> NameSet:
        """Copy of this set without some names."""
        parts = list(self._parts)
        for at, removed in _by_part(names).items():
            if not removed.isdisjoint(parts[at]):
                parts[at] -= removed
        return NameSet(parts)

    def __or__(self, other: Set[Any]) -> NameSet:
        if not isinstance(other, NameSet):
            return self.with_names(other)
        # Parts of the other set are preferred, so that the two share as many as possible.
        parts = list(other._parts)
        for at, (mine, its) in self._apart(other).items():
            if not mine <= its:
                parts[at] = mine | its
        return NameSet(parts)

    def __sub__(self, other: Set[Any]) -> frozenset[str]:
        if not isinstance(other, NameSet):
            return frozenset(self.without_names(other))
        return _EMPTY.union(*(mine - its for mine, its in self._apart(other).values()))

    def _apart(self, other: NameSet) -> dict[int, tuple[frozenset[str], frozenset[str]]]:
        """Parts of both sets that they do not share, by number."""
        mine, its = self._parts, other._parts
        return {at: (mine[at], its[at]) for at in compress(_NUMBERS, map(operator.is_not, mine, its))}

    def __contains__(self, name: object) -> bool:
        return name in self._parts[hash(name) % _PARTS]

    def __iter__(self) -> Iterator[str]:
        for part in self._parts:
            yield from part

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __hash__(self) -> int:
        return hash(self._parts)

    def __repr__(self) -> str:
        return f"NameSet({sorted(self)})"


def _by_part(names: Iterable[str]) -> dict[int, set[str]]:
    found: defaultdict[int, set[str]] = defaultdict(set)
    for name in names:
        found[hash(name) % _PARTS].add(name)
    return found
