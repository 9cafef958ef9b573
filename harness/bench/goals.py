"""Targets of the product's performance, and rows with what a run measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True)
class Goal:
    """A target.

    Attributes:
        id: name of the row.
        what: what is measured, in words.
        unit: unit of value and limit.
        limit: value that has to be reached; None if there is no target.
        higher_is_better: values above the limit are good.
    """

    id: str
    what: str
    unit: str
    limit: float | None = None
    higher_is_better: bool = False

    def met_by(self, value: float) -> bool | None:
        """Returns True if a value reaches the limit, None if there is no limit."""
        if self.limit is None:
            return None
        return value >= self.limit if self.higher_is_better else value <= self.limit

    @property
    def limit_text(self) -> str:
        """Limit with its sign, as a person writes it."""
        return "" if self.limit is None else f"{'≥' if self.higher_is_better else '≤'} {self.limit:g}"


GOALS = (
    Goal("throughput", "TCP machine→hub→machine, beside a bare hub", "ratio", 0.97, higher_is_better=True),
    Goal(
        "throughput-10000-rules",
        "TCP machine→hub→machine with 10,000 rules, beside none",
        "ratio",
        0.97,
        higher_is_better=True,
    ),
    Goal("throughput-1000-organizations", "1 of 1,000 organizations, beside the only one", "ratio", 0.95, True),
    Goal("save-median", "a policy save until it is answered, idle", "ms", 3.0),
    Goal("save-p99", "a policy save until it is answered, idle, 99th percentile", "ms", 15.0),
    Goal("save-p99-loaded", "the 99th percentile of saves at 200 saves/s over 500 organizations", "ms", 50.0),
    Goal("late-packets", "packets delivered that were sent after the answer that denies them", "packets", 0.0),
    Goal("save-large", "a save of one rule with 200 machines and 5,000 rules, beside an empty one's", "ratio", 3.0),
    Goal("save-beside-large", "a save while another organization of that size saves, beside alone", "ratio", 3.0),
    Goal("machine-add", "a machine added until its first handshake is possible, median", "ms", 15.0),
    Goal("neighbour-reads", "reads beside a hostile organization, beside the quiet median", "ratio", 3.0),
    Goal("neighbour-saves", "saves beside a hostile organization, beside the quiet median", "ratio", 5.0),
    Goal("neighbour-log-in", "the slowest log-in beside a hostile organization", "s", 1.0),
    Goal("first-ping", "sign-up until the first ping between two machines is answered, median", "ms"),
    Goal("onboarding-rate", "organizations signed up to a working mesh of two machines", "1/s", 8.0, True),
    Goal("onboarding-p95", "sign-up until a working mesh, 95th percentile", "s", 2.0),
    Goal("signup-rate", "organizations signed up with two machines that have no tunnel", "1/s", 20.0, True),
    Goal("idle-organization", "memory for each idle organization, userspace WireGuard", "MB", 7.0),
    Goal("recovery-rules", "damaged rules or routes until all is as it was", "ms", 100.0),
    Goal("recovery-link", "a deleted link or killed WireGuard until all is as it was", "ms", 400.0),
    Goal("restart-loss", "packets lost by a restart of both processes", "packets", 0.0),
    Goal("cold-start", "cold start with 1,000 organizations of 10 machines, userspace WireGuard", "s", 60.0),
    Goal("gate-quick", "the gate, quick profile", "s", 60.0),
    Goal("gate-full", "the gate, full profile", "s", 360.0),
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
        target: limit of the goal.
        met: the value reaches the limit; None without a value or a limit.
    """

    id: str
    value: float | None
    unit: str
    target: float | None
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
