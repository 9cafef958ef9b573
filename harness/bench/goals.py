"""What the product aims at, row by row, and what a run measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True)
class Goal:
    """A row of the table of targets.

    Attributes:
        what: in words.
        limit: how good it has to be; None where it is only told.
        higher_is_better: which side of the limit is good.
    """

    id: str
    what: str
    unit: str
    limit: float | None = None
    higher_is_better: bool = False

    def met_by(self, value: float) -> bool | None:
        """Whether a value is as good as it has to be; None if nothing was aimed at."""
        if self.limit is None:
            return None
        return value >= self.limit if self.higher_is_better else value <= self.limit

    @property
    def words(self) -> str:
        """The limit as a person writes it."""
        return "" if self.limit is None else f"{'≥' if self.higher_is_better else '≤'} {self.limit:g}"


GOALS = (
    Goal("throughput", "TCP machine→hub→machine, beside a bare hub", "ratio", 0.97, higher_is_better=True),
    Goal("throughput-10000-rules", "the same with 10,000 rules, beside none", "ratio", 0.97, higher_is_better=True),
    Goal("throughput-1000-organizations", "1 of 1,000 organizations, beside the only one", "ratio", 0.95, True),
    Goal("save-median", "a policy save until it is answered, idle", "ms", 3.0),
    Goal("save-p99", "the slowest saves of a hundred, idle", "ms", 15.0),
    Goal("save-p99-loaded", "the same with 200 saves/s over 500 organizations", "ms", 50.0),
    Goal("late-packets", "packets delivered that were sent after the answer that denies them", "packets", 0.0),
    Goal("save-large", "a save of one rule with 200 machines and 5,000 rules, beside an empty one's", "ratio", 3.0),
    Goal("save-beside-large", "a save while another organization of that size saves, beside alone", "ratio", 3.0),
    Goal("machine-add", "a machine added until its first handshake is possible, median", "ms", 15.0),
    Goal("neighbour-reads", "reads beside a hostile organization, beside the quiet median", "ratio", 3.0),
    Goal("neighbour-saves", "the same of saves", "ratio", 5.0),
    Goal("neighbour-log-in", "the slowest log-in beside a hostile organization", "s", 1.0),
    Goal("first-ping", "sign-up until the first ping between two machines is answered, median", "ms"),
    Goal("onboarding-rate", "organizations signed up to a working mesh of two machines", "1/s", 8.0, True),
    Goal("onboarding-p95", "the slowest of twenty of these", "s", 2.0),
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
    """A value, and what stood beside it in the same run.

    Attributes:
        baseline: in words, with its figure and unit.
        spread: the least and the greatest single value; None where there was one only.
    """

    value: float
    baseline: str | None = None
    spread: tuple[float, float] | None = None


class Row(msgspec.Struct, frozen=True):
    """A row of ``--json``; a value of None was not measured by this run."""

    id: str
    value: float | None
    unit: str
    target: float | None
    met: bool | None
    baseline: str | None


def rows(measured: Mapping[str, Measured]) -> list[Row]:
    """One row for each target, in their order."""
    found = []
    for target in GOALS:
        of = measured.get(target.id)
        met = None if of is None else target.met_by(of.value)
        value = None if of is None else round(of.value, 4)
        found.append(Row(target.id, value, target.unit, target.limit, met, None if of is None else of.baseline))
    return found
