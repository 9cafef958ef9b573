"""Body of ``bench``: measurements beside a bare hub."""

from __future__ import annotations

from pathlib import Path

import typer

from harness.bench import run as benches
from harness.bench.goals import GOALS, Measured, rows
from harness.bench.plan import EFFORTS, chosen
from harness.cli import entering
from harness.cli.checks import UNAVAILABLE, check_choice, check_writable
from harness.cli.choices import WIREGUARD
from harness.cli.console import CONSOLE


def run(json: Path | None, profile: str, only: list[str], organizations: int | None, wireguard: str) -> None:
    """Measures, shows and writes the rows, and ends with the exit code."""
    check_choice("profile", profile, tuple(EFFORTS))
    check_choice("wireguard", wireguard, WIREGUARD)
    wanted = [row for words in only for row in words.split(",")]
    for row in wanted:
        check_choice("only", row, tuple(goal.id for goal in GOALS))
    if json is not None:
        check_writable(json)
    entering.enter_sandbox()
    effort = EFFORTS[profile] if organizations is None else EFFORTS[profile].with_at_most(organizations)

    def keep(measured: dict[str, Measured]) -> None:
        if json is not None:
            benches.write(json, measured)

    # Written first, so that a run that fails does not leave an older run's file.
    keep({})
    outcome = benches.run(chosen(profile, wanted), wanted, effort, wireguard, CONSOLE, keep)
    benches.show(outcome, CONSOLE)
    if outcome.failed:
        raise typer.Exit(UNAVAILABLE)
    raise typer.Exit(1 if any(row.met is False for row in rows(outcome.measured)) else 0)
