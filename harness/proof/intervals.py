"""Sets of integers as sorted, disjoint, non-adjacent intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Interval = tuple[int, int]
"""First and last integer, both included."""


@dataclass(frozen=True)
class IntervalSet:
    """A set of integers."""

    intervals: tuple[Interval, ...] = ()

    @classmethod
    def of(cls, intervals: Iterable[Interval]) -> IntervalSet:
        """Union of intervals, which may overlap."""
        joined: list[Interval] = []
        for first, last in sorted(intervals):
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
            else:
                joined.append((first, last))
        return cls(tuple(joined))

    def __contains__(self, value: int) -> bool:
        return any(first <= value <= last for first, last in self.intervals)
