"""A figure as a ratio to what was measured beside it, turn by turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

MOST_TURNS = 10
"""Turns that many single values are put together to."""


@dataclass(frozen=True)
class Measured:
    """A measured ratio.

    Attributes:
        value: the ratio over all turns.
        baseline: both figures in words.
        turns: the ratio of each turn, for a comparison with another run.
    """

    value: float
    baseline: str
    turns: tuple[float, ...] = ()

    @property
    def spread(self) -> tuple[float, float] | None:
        """Least and greatest ratio of a turn; None if there was only one."""
        return (min(self.turns), max(self.turns)) if len(self.turns) > 1 else None


def measured(
    values: Sequence[float],
    beside: Sequence[float],
    unit: str,
    name: str,
    more: str = "",
    of: Callable[[Sequence[float]], float] = statistics.median,
) -> Measured:
    """Returns the ratio of values to those that were measured in turns with them.

    Args:
        values: values in their order.
        beside: values of the other side, as many, in the same order.
        unit: unit of both.
        name: name of the other side.
        more: further figures, in words.
        of: figure of several values, of which the ratio is taken.
    """
    turns = tuple(
        of(mine) / of(other) for mine, other in zip(_in_turns(values), _in_turns(beside), strict=True) if of(other)
    )
    mine, other = of(values), of(beside)
    text = f"{mine:.3g} {unit} beside {other:.3g} {unit} of {name}"
    return Measured(mine / other, f"{text}; {more}" if more else text, turns)


def share(counts: Sequence[int], of: Sequence[int], words: str) -> Measured:
    """Returns the share of what is counted in what could have been, with the share of each turn.

    Args:
        words: both figures in words.
    """
    turns = tuple(count / total for count, total in zip(counts, of, strict=True) if total)
    return Measured(sum(counts) / sum(of), words, turns)


def high(values: Sequence[float]) -> float:
    """Returns the value that one in a hundred exceeds; of fewer than a hundred, the greatest."""
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]


def _in_turns(values: Sequence[float]) -> list[Sequence[float]]:
    """Cuts values into at most `MOST_TURNS` parts that follow each other, of the same length but for one."""
    count = min(MOST_TURNS, len(values))
    edges = [number * len(values) // count for number in range(count + 1)]
    return [values[first:last] for first, last in pairwise(edges)]
