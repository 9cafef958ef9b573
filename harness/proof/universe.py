"""Atoms: the coarsest parts of each kind of values that nothing in a ruleset or a policy tells apart.

A set of values is then a set of atoms, and that is the bits of one integer: union, intersection and difference cost one
operation, whatever the number of intervals (Yang and Lam, "Real-time verification of network properties using atomic
predicates", ICNP 2013).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from harness.proof.intervals import Interval, IntervalSet


class Universe:
    """All values of one kind, cut at the ends of intervals.

    Args:
        values: all values that there are.
        cuts: intervals that are to be unions of atoms.
    """

    def __init__(self, values: Iterable[Interval], cuts: Iterable[Interval] = ()) -> None:
        borders = sorted({border for first, last in cuts for border in (first, last + 1)})
        self._atoms: list[Interval] = []
        for first, last in IntervalSet.of(values).intervals:
            inner = borders[bisect_right(borders, first) : bisect_right(borders, last)]
            begins = [first, *inner]
            self._atoms += zip(begins, [*(begin - 1 for begin in begins[1:]), last], strict=True)
        self._firsts = [first for first, _ in self._atoms]
        self._lasts = [last for _, last in self._atoms]
        self.everything = (1 << len(self._atoms)) - 1

    def __len__(self) -> int:
        return len(self._atoms)

    def atoms_in(self, intervals: Iterable[Interval]) -> int:
        """Atoms of a union of intervals, as bits.

        Raises:
            ValueError: an interval cuts an atom.
        """
        bits = 0
        for first, last in intervals:
            begin, end = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
            if begin >= end:
                continue
            if self._firsts[begin] < first or self._lasts[end - 1] > last:
                raise ValueError(f"{first}-{last} cuts an atom")
            bits |= (1 << end) - (1 << begin)
        return bits

    def intervals(self, bits: int) -> tuple[Interval, ...]:
        """The values of these atoms."""
        return IntervalSet.of(self._atoms[at] for at in ones(bits)).intervals

    def atom(self, number: int) -> Interval:
        """First and last value of an atom."""
        return self._atoms[number]

    def atoms_with(self, value: int) -> int:
        """The atom that a value is in, as bits; 0 if it is no value of this kind."""
        at = bisect_right(self._firsts, value) - 1
        return 1 << at if at >= 0 and value <= self._lasts[at] else 0

    def has(self, bits: int, value: int) -> bool:
        """True if a value is in one of these atoms."""
        return bool(bits & self.atoms_with(value))

    def first(self, bits: int) -> int:
        """The least value of these atoms."""
        return self._firsts[(bits & -bits).bit_length() - 1]


def union(sets: Iterable[int]) -> int:
    """All atoms of several sets."""
    bits = 0
    for atoms in sets:
        bits |= atoms
    return bits


def ones(bits: int) -> Iterator[int]:
    """Positions of the bits that are set."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
