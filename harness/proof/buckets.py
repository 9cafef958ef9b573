"""Hashes of addresses and of numbers that follow from them: the bucket of every key that is made of single values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.proof.classes import PacketClass
from harness.proof.derived import Derived
from harness.proof.errors import Unmodelled
from harness.proof.fields import Variable
from harness.proof.keys import End, variables_of
from harness.proof.meaning import applied, bucket, hash_word
from harness.proof.ruleset import Expression, Hash
from harness.proof.space import Space
from harness.proof.universe import union

MOST_FREE = 2
"""Most parts of a hashed key that are not known."""


class HashTable:
    """Buckets of all keys that are made of single values; the others are in no known one.

    Args:
        ends: one for each part of the key; variables of no two of them are the same.
    """

    def __init__(self, space: Space, key: Hash, parts: Sequence[Expression], ends: tuple[End, ...]) -> None:
        free = [at for at, end in enumerate(ends) if isinstance(end, (Variable, Derived))]
        if len(free) > MOST_FREE:
            raise Unmodelled("a hash of more than two variables", "ruleset")
        if len(set(variables_of(ends))) < len(free):
            raise Unmodelled("a key that reads the same value twice", "ruleset")
        self._key = key
        self._free = free
        self._words = [
            0 if isinstance(end, (Variable, Derived)) else hash_word(part, applied(part, end))
            for part, end in zip(parts, ends, strict=True)
        ]
        self._variables = variables_of(ends)
        self._values = [list(_hashed(space, parts[at], ends[at])) for at in free]
        self._known = [union(atoms for atoms, _ in each) for each in self._values]
        self._rows: dict[int, list[tuple[int, int]]] = {}

    def known(self, packets: PacketClass) -> tuple[PacketClass | None, list[PacketClass]]:
        """Splits a class into packets whose bucket is known, if there are any, and the others."""
        others: list[PacketClass] = []
        for variable, atoms in zip(self._variables, self._known, strict=True):
            if unknown := packets.sets[variable] & ~atoms:
                others.append(packets.with_set(variable, unknown))
            if not (inside := packets.sets[variable] & atoms):
                return None, others
            packets = packets.with_set(variable, inside)
        return packets, others

    def split(self, packets: PacketClass) -> Iterator[tuple[PacketClass, int]]:
        """Splits a class of packets whose buckets are known."""
        if not self._free:
            yield packets, self._bucket(self._words)
            return
        first, *others = self._variables
        own = packets.sets[first]
        second = packets.sets[others[0]] if others else 1
        together: dict[tuple[int, int], int] = {}
        for at, (atoms, _) in enumerate(self._values[0]):
            if met := atoms & own:
                for number, of_second in self._row(at):
                    if also := of_second & second:
                        together[number, also] = together.get((number, also), 0) | met
        for (number, also), met in together.items():
            some = packets.with_set(first, met)
            yield (some.with_set(others[0], also) if others else some), number

    def _row(self, at: int) -> list[tuple[int, int]]:
        """Buckets of one value of the first variable, each with atoms of the second one."""
        if at not in self._rows:
            words, row = list(self._words), dict[int, int]()
            words[self._free[0]] = self._values[0][at][1]
            for atoms, word in self._values[1] if len(self._free) > 1 else [(1, 0)]:
                if len(self._free) > 1:
                    words[self._free[1]] = word
                number = self._bucket(words)
                row[number] = row.get(number, 0) | atoms
            self._rows[at] = list(row.items())
        return self._rows[at]

    def _bucket(self, words: Sequence[int]) -> int:
        return bucket(words, self._key.modulus, self._key.seed, self._key.offset)


def _hashed(space: Space, part: Expression, end: End) -> Iterator[tuple[int, int]]:
    """Yields atoms with the word that is hashed for them."""
    if isinstance(end, Derived):
        for number, atoms in end.rows:
            yield atoms, hash_word(part, applied(part, number))
    elif isinstance(end, Variable):
        universe = space.of(end)
        for at in range(len(universe)):
            value, last = universe.atom(at)
            if value == last:
                yield 1 << at, hash_word(part, applied(part, value))
