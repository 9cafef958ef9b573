"""Goals of the product's performance, each a ratio to what stands beside it, and rows with what a run measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from harness.bench.beside import MOST_TURNS, Measured

UNIT = "ratio"
Turns = Annotated[tuple[float, ...], msgspec.Meta(max_length=MOST_TURNS)]


@dataclass(frozen=True)
class Goal:
    """Goal of a measurement; docs/performance.md describes each.

    Attributes:
        id: name of the row.
        beside: what the value is a ratio to, measured in the same run.
        limit: limit of the ratio.
        higher_is_better: True if the limit is a lower one.
    """

    id: str
    beside: str
    limit: float
    higher_is_better: bool = False

    def met_by(self, value: float) -> bool:
        """Returns True if a value keeps the limit."""
        return value >= self.limit if self.higher_is_better else value <= self.limit

    @property
    def limit_text(self) -> str:
        """Limit with its sign, as a person writes it."""
        return f"{'≥' if self.higher_is_better else '≤'} {self.limit:g}"


GOALS = (
    Goal("throughput", "a bare hub", 0.97, higher_is_better=True),
    Goal("throughput-10000-rules", "no rules", 0.97, higher_is_better=True),
    Goal("throughput-1000-organizations", "the same organization alone", 0.95, higher_is_better=True),
    Goal("save-median", "GET /policy", 1.8),
    Goal("save-p99", "GET /policy", 3.0),
    Goal("save-p99-loaded", "GET /policy at the same pace", 5.0),
    Goal("late-packets", "packets sent while denied", 0.0),
    Goal("save-large", "an organization without rules", 2.0),
    Goal("save-beside-large", "alone", 3.0),
    Goal("machine-add", "GET /policy", 5.0),
    Goal("neighbour-reads", "its own quiet median", 3.0),
    Goal("neighbour-saves", "its own quiet median", 5.0),
    Goal("neighbour-log-in", "its own quiet median", 5.0),
    Goal("first-ping", "a bare hub by wg-quick", 2.0),
    Goal("onboarding-rate", "sign-ups without clients", 0.33, higher_is_better=True),
    Goal("onboarding-p95", "a sign-up without clients", 5.0),
    Goal("signup-rate", "Argon2's own limit", 0.33, higher_is_better=True),
    Goal("idle-organization", "one bare WireGuard process", 3.0),
    Goal("recovery-rules", "the command that did the damage", 1.0),
    Goal("recovery-link", "a bare link by wg-quick", 1.0),
    Goal("proof-5", "reading it back", 1.0),
    Goal("proof-50", "reading it back", 2.0),
    Goal("proof-200", "reading it back", 2.0),
    Goal("proof-groups", "reading it back", 10.0),
    Goal("restart-loss", "packets sent meanwhile", 0.0),
    Goal("start-help", "a bare python -c pass", 8.0),
    Goal("start-status", "a bare python -c pass", 12.0),
    Goal("start-census", "a bare python -c pass", 12.0),
    Goal("start-up", "a bare python -c pass", 20.0),
    Goal("save-again", "a bare python -c pass", 20.0),
    Goal("cold-start", "the same processes adopted", 3.0),
    Goal("gate-quick", "a start of the service for each part", 0.4),
    Goal("gate-full", "a start of the service for each part", 2.0),
)


class GoalRow(msgspec.Struct, frozen=True):
    """A row of the file that ``--json`` writes.

    Attributes:
        value: measured ratio; None if this run did not measure it.
        limit: limit of the goal; `target` in the file.
        met: True if the value keeps the limit; None without a value.
        baseline: both figures in words.
        turns: the ratio of each turn.
    """

    id: str
    value: float | None
    unit: str
    limit: float = msgspec.field(name="target")
    met: bool | None
    baseline: str | None
    turns: Turns = ()


def rows(measured: Mapping[str, Measured]) -> list[GoalRow]:
    """Returns a row for each goal, in the order of `GOALS`."""
    found = []
    for goal in GOALS:
        result = measured.get(goal.id)
        if result is None:
            found.append(GoalRow(goal.id, None, UNIT, goal.limit, None, None))
            continue
        turns = tuple(round(each, 4) for each in result.turns)
        met = goal.met_by(result.value)
        found.append(GoalRow(goal.id, round(result.value, 4), UNIT, goal.limit, met, result.baseline, turns))
    return found
