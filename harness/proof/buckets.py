"""Hashes of addresses: the bucket of every key that is made of single values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.proof.errors import Unmodelled
from harness.proof.fields import Source, Variable
from harness.proof.meaning import applied, bucket, hash_word
from harness.proof.partition import Box
from harness.proof.ruleset import Expression, Hash
from harness.proof.space import Space
from harness.proof.universe import ones


class HashTable:
    """Buckets of all keys that are made of single values; the others are in no known one."""

    def __init__(
        self,
        space: Space,
        key: Hash,
        parts: Sequence[Expression],
        sources: tuple[Source, ...],
        fixed: tuple[int, ...],
    ) -> None:
        free = [at for at, source in enumerate(sources) if isinstance(source, Variable)]
        if len(free) > len(("source", "destination")):
            raise Unmodelled("a hash of more than two variables", "ruleset")
        self._dimensions = len(free)
        singles = [_singles(space, sources[at]) for at in free]
        words = [hash_word(part, value) for part, value in zip(parts, fixed, strict=True)]
        self._rows: dict[int, dict[int, int]] = {}
        self._known = [sum(1 << atom for atom, _ in each) for each in singles]
        for atom, value in singles[0] if free else [(0, 0)]:
            row: dict[int, int] = {}
            if free:
                words[free[0]] = hash_word(parts[free[0]], applied(parts[free[0]], value))
            for other, second in singles[1] if len(free) > 1 else [(0, 0)]:
                if len(free) > 1:
                    words[free[1]] = hash_word(parts[free[1]], applied(parts[free[1]], second))
                number = bucket(words, key.modulus, key.seed, key.offset)
                row[number] = row.get(number, 0) | 1 << other
            self._rows[atom] = row

    def split(self, sets: Box) -> Iterator[tuple[Box, int | None]]:
        """Split sets of the free variables by bucket."""
        if not self._dimensions:
            yield (), next(iter(self._rows[0]))
            return
        first, known = sets[0] & self._known[0], self._known
        if unknown := sets[0] & ~known[0]:
            yield (unknown, *sets[1:]), None
        second = 1
        if self._dimensions > 1:
            second = sets[1] & known[1]
            if (unknown := sets[1] & ~known[1]) and first:
                yield (first, unknown), None
        together: dict[tuple[int, int], int] = {}
        for atom in ones(first):
            for number, others in self._rows[atom].items():
                if met := others & second:
                    together[number, met] = together.get((number, met), 0) | 1 << atom
        for (number, met), own in together.items():
            yield ((own, met) if self._dimensions > 1 else (own,)), number


def _singles(space: Space, variable: Source) -> list[tuple[int, int]]:
    assert isinstance(variable, Variable)
    universe = space.of(variable)
    atoms = ((at, universe.atom(at)) for at in range(len(universe)))
    return [(at, first) for at, (first, last) in atoms if first == last]
