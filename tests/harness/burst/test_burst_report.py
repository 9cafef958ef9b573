"""Figures of a burst, and the JSON file with them."""

from __future__ import annotations

import json
from pathlib import Path

from harness.burst.attempt import Attempt
from harness.burst.report import figures_of, write

SECOND = 1_000_000_000


def attempts(*seconds: float | None) -> list[Attempt]:
    """Returns consecutive attempts of one second each; None stands for an error."""
    return [
        Attempt(
            number,
            began_ns=number * SECOND,
            ended_ns=(number + 1) * SECOND,
            seconds=each,
            error=None if each is not None else "heard nothing",
        )
        for number, each in enumerate(seconds)
    ]


def test_figures_are_of_the_meshes_that_work() -> None:
    figures = figures_of(attempts(0.1, 0.2, None, 0.3), 4)
    assert (figures.organizations, figures.errors, figures.meshes_working) == (4, 1, 3)
    assert figures.meshes_working_share == 0.75
    # From the first sign-up until the last client was down.
    assert figures.rate_per_s == 0.75
    assert figures.p50_ms == 200.0
    assert figures.p95_ms == 290.0


def test_missing_attempts_are_errors() -> None:
    figures = figures_of(attempts(0.1), 5)
    assert (figures.organizations, figures.errors, figures.meshes_working) == (5, 4, 1)
    assert (figures.p50_ms, figures.p95_ms) == (100.0, 100.0)


def test_a_working_mesh_not_deleted_counts_as_mesh_and_error() -> None:
    both = Attempt(0, 0, SECOND, seconds=0.1, error="DELETE /organization was answered 500")
    figures = figures_of([both], 1)
    assert (figures.errors, figures.meshes_working) == (1, 1)


def test_an_empty_burst_has_no_times() -> None:
    figures = figures_of([], 0)
    assert (figures.rate_per_s, figures.p50_ms, figures.p95_ms, figures.meshes_working_share) == (0.0, None, None, 0.0)


def test_the_file_has_the_published_keys(tmp_path: Path) -> None:
    write(tmp_path / "burst.json", figures_of(attempts(0.1), 1), met=True)
    assert json.loads((tmp_path / "burst.json").read_text()) == {
        "organizations": 1,
        "errors": 0,
        "collisions": 0,
        "meshes_working": 1,
        "rate_per_s": 1.0,
        "p50_ms": 100.0,
        "p95_ms": 100.0,
        "met": True,
    }
