"""Figures of a burst."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.burst.attempt import Attempt, collisions


class Figures(msgspec.Struct, frozen=True):
    """Figures of a burst.

    Attributes:
        organizations: number of organizations that were wanted.
        errors: number of organizations with an error.
        collisions: number of collisions (`harness.burst.attempt.collisions`).
        meshes_working: number of organizations whose machines received packets of each other.
        rate_per_s: working meshes per second, from the first sign-up until the last client was down.
        p50_ms: median of the times from sign-up to a working mesh; None if there is none.
        p95_ms: 95th percentile of these times; None if there is none.
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
        """Share of organizations with a working mesh, from 0 to 1."""
        return self.meshes_working / self.organizations if self.organizations else 0.0


class Report(Figures, frozen=True):
    """Content of the file that ``--json`` writes.

    Attributes:
        met: the figures keep all limits.
    """

    met: bool


def figures_of(attempts: Sequence[Attempt], wanted: int) -> Figures:
    """Computes the figures of a burst.

    Args:
        wanted: number of organizations that were wanted; missing attempts count as errors.
    """
    took = sorted(each.seconds * 1e3 for each in attempts if each.seconds is not None)
    missing = max(0, wanted - len(attempts))
    return Figures(
        organizations=max(wanted, len(attempts)),
        errors=missing + sum(each.error is not None for each in attempts),
        collisions=len(collisions(attempts)),
        meshes_working=len(took),
        rate_per_s=round(_rate(attempts, len(took)), 3),
        p50_ms=_percentile(took, 50),
        p95_ms=_percentile(took, 95),
    )


def write(path: Path, figures: Figures, *, met: bool) -> None:
    """Writes figures as JSON.

    Args:
        met: the figures keep all limits.

    Raises:
        OSError: the file can't be written.
    """
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
