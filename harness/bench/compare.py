"""Comparison of two runs of the bench, row by row.

The ratios of a row's turns in both runs are compared by the test of Mann and Whitney: the turns are ranked together,
and the ranks of one run are added up. The probability of a sum that far from its mean, if nothing changed, is counted
over all divisions of the ranks. So it is exact, also with equal values, and assumes no distribution.

Turns of one run resemble each other more than those of two runs, which share no moment of the machine. A small change
is therefore called noise, however small its probability.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from math import isclose

from harness.bench.goals import GOALS, GoalRow

PROBABILITY = 0.01
"""A change that luck makes more often than this is noise."""
LEAST_CHANGE = 0.05
"""A change of a smaller share is noise."""
ENOUGH = 5
"""Turns in each run below which no change can have so small a probability."""


class Verdict(Enum):
    """Meaning of a change."""

    BETTER = "better"
    WORSE = "worse"
    NOISE = "noise"


@dataclass(frozen=True)
class Comparison:
    """One row of the bench in two runs.

    Attributes:
        before, after: the ratios.
        p: probability of so great a difference if nothing changed.
        turns: number of turns of each run.
    """

    id: str
    before: float
    after: float
    verdict: Verdict
    p: float
    turns: tuple[int, int]

    @property
    def too_few(self) -> bool:
        """True if there are too few turns for any other verdict than noise."""
        return min(self.turns) < ENOUGH


def compare(before: Sequence[GoalRow], after: Sequence[GoalRow]) -> list[Comparison]:
    """Compares the rows that were measured in both runs, in the order of `GOALS`."""
    first, second = ({row.id: row for row in each} for each in (before, after))
    found = []
    for goal in GOALS:
        mine, other = first.get(goal.id), second.get(goal.id)
        if mine is None or other is None or mine.value is None or other.value is None:
            continue
        p = probability(mine.turns, other.turns)
        verdict = Verdict.NOISE
        if p < PROBABILITY:
            verdict = _direction(mine.turns, other.turns, higher_is_better=goal.higher_is_better)
        found.append(Comparison(goal.id, mine.value, other.value, verdict, p, (len(mine.turns), len(other.turns))))
    return found


def _direction(before: Sequence[float], after: Sequence[float], *, higher_is_better: bool) -> Verdict:
    mine, other = statistics.median(before), statistics.median(after)
    if isclose(mine, other, rel_tol=LEAST_CHANGE):
        return Verdict.NOISE
    return Verdict.BETTER if (other > mine) is higher_is_better else Verdict.WORSE


def probability(first: Sequence[float], second: Sequence[float]) -> float:
    """Returns the two-sided probability of Mann and Whitney's test, exact; 1 if a side is empty."""
    if not first or not second:
        return 1.0
    ranks = _ranks([*first, *second])
    # Doubled ranks are whole numbers, so that sums are exact.
    mean = len(first) * (len(ranks) + 1)
    distance = abs(sum(ranks[: len(first)]) - mean)
    sums = [abs(sum(chosen) - mean) >= distance for chosen in combinations(ranks, len(first))]
    return sum(sums) / len(sums)


def _ranks(values: Sequence[float]) -> list[int]:
    """Returns twice the rank of each value, which is the mean of their ranks for equal ones."""
    ordered = sorted(values)
    return [2 * ordered.index(value) + ordered.count(value) + 1 for value in values]
