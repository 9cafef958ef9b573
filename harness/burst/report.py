"""The figures of a burst."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.burst.attempt import Attempt, collisions


class Figures(msgspec.Struct, frozen=True):
    """What was counted and measured.

    Attributes:
        organizations: that were asked for.
        errors: of them, how many met one.
        collisions: things that two have and only one may.
        meshes_working: organizations whose machines heard each other.
        rate_per_s: working meshes a second, from the first sign-up until the last client was down.
        p50_ms, p95_ms: from sign-up until the machines had heard each other; None if none did.
    """

    organizations: int
    errors: int
    collisions: int
    meshes_working: int
    rate_per_s: float
    p50_ms: float | None
    p95_ms: float | None

    @property
    def meshes_working_share(self) -> float:
        """Of the organizations, 0 to 1."""
        return self.meshes_working / self.organizations if self.organizations else 0.0


class Report(Figures, frozen=True):
    """What ``--json`` writes.

    Attributes:
        met: whether the figures are as good as they have to be.
    """

    met: bool


def figures_of(attempts: Sequence[Attempt], asked: int) -> Figures:
    """The figures of a burst.

    Args:
        asked: how many organizations there should have been; those that nobody attempted are errors.
    """
    took = sorted(each.seconds * 1e3 for each in attempts if each.seconds is not None)
    missing = max(0, asked - len(attempts))
    return Figures(
        organizations=max(asked, len(attempts)),
        errors=missing + sum(each.error is not None for each in attempts),
        collisions=len(collisions(attempts)),
        meshes_working=len(took),
        rate_per_s=round(_rate(attempts, len(took)), 3),
        p50_ms=_percentile(took, 50),
        p95_ms=_percentile(took, 95),
    )


def write(path: Path, figures: Figures, *, met: bool) -> None:
    """Writes the figures, with the judgement beside them. Raises OSError."""
    report = Report(**msgspec.structs.asdict(figures), met=met)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def _rate(attempts: Sequence[Attempt], working: int) -> float:
    if not working:
        return 0.0
    return working / (max(each.ended_ns for each in attempts) - min(each.began_ns for each in attempts)) * 1e9


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    if not ordered:
        return None
    if len(ordered) == 1:
        return round(ordered[0], 3)
    return round(statistics.quantiles(ordered, n=100, method="inclusive")[percent - 1], 3)
