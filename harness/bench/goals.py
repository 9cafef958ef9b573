"""Goals of the product's performance, and rows with what a run measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True)
class Goal:
    """Goal of a measurement; docs/performance.md describes each.

    Attributes:
        id: name of the row.
        unit: unit of value and limit.
        limit: limit of the value; None if there is none.
        higher_is_better: True if the limit is a lower one.
    """

    id: str
    unit: str
    limit: float | None = None
    higher_is_better: bool = False

    def met_by(self, value: float) -> bool | None:
        """Returns True if a value keeps the limit; None if there is no limit."""
        if self.limit is None:
            return None
        return value >= self.limit if self.higher_is_better else value <= self.limit

    @property
    def limit_text(self) -> str:
        """Limit with its sign, as a person writes it."""
        return "" if self.limit is None else f"{'≥' if self.higher_is_better else '≤'} {self.limit:g}"


GOALS = (
    Goal("throughput", "ratio", 0.97, higher_is_better=True),
    Goal("throughput-10000-rules", "ratio", 0.97, higher_is_better=True),
    Goal("throughput-1000-organizations", "ratio", 0.95, higher_is_better=True),
    Goal("save-median", "ms", 3.0),
    Goal("save-p99", "ms", 15.0),
    Goal("save-p99-loaded", "ms", 50.0),
    Goal("late-packets", "packets", 0.0),
    Goal("save-large", "ratio", 3.0),
    Goal("save-beside-large", "ratio", 3.0),
    Goal("machine-add", "ms", 15.0),
    Goal("neighbour-reads", "ratio", 3.0),
    Goal("neighbour-saves", "ratio", 5.0),
    Goal("neighbour-log-in", "s", 1.0),
    Goal("first-ping", "ms"),
    Goal("onboarding-rate", "1/s", 8.0, higher_is_better=True),
    Goal("onboarding-p95", "s", 2.0),
    Goal("signup-rate", "1/s", 20.0, higher_is_better=True),
    Goal("idle-organization", "MB", 7.0),
    Goal("recovery-rules", "ms", 100.0),
    Goal("recovery-link", "ms", 400.0),
    Goal("proof-5", "s"),
    Goal("proof-50", "s"),
    Goal("proof-200", "s"),
    Goal("proof-groups", "s"),
    Goal("restart-loss", "packets", 0.0),
    Goal("cold-start", "s", 60.0),
    Goal("gate-quick", "s", 60.0),
    Goal("gate-full", "s", 360.0),
)


@dataclass(frozen=True)
class Measured:
    """A measured value.

    Attributes:
        value: the value, in the unit of its goal.
        baseline: figures that were measured beside it, in words.
        spread: least and greatest single value; None if there was only one.
    """

    value: float
    baseline: str | None = None
    spread: tuple[float, float] | None = None


class GoalRow(msgspec.Struct, frozen=True):
    """A row of the file that ``--json`` writes.

    Attributes:
        value: measured value; None if this run did not measure it.
        limit: limit of the goal; `target` in the file.
        met: True if the value keeps the limit; None without a value or a limit.
    """

    id: str
    value: float | None
    unit: str
    limit: float | None = msgspec.field(name="target")
    met: bool | None
    baseline: str | None


def rows(measured: Mapping[str, Measured]) -> list[GoalRow]:
    """Returns a row for each goal, in the order of `GOALS`."""
    found = []
    for goal in GOALS:
        result = measured.get(goal.id)
        met = None if result is None else goal.met_by(result.value)
        value = None if result is None else round(result.value, 4)
        baseline = None if result is None else result.baseline
        found.append(GoalRow(goal.id, value, goal.unit, goal.limit, met, baseline))
    return found
