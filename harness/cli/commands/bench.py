"""Bodies of ``bench``, ``bench compare``, ``bench chart`` and ``bench scale``."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import typer
from rich.table import Table

from harness.bench import chart as charts
from harness.bench import compare as comparison
from harness.bench import history as histories
from harness.bench import run as benches
from harness.bench import scale as scales
from harness.bench.beside import Measured
from harness.bench.compare import Verdict
from harness.bench.goals import GOALS, GoalRow, rows
from harness.bench.plan import EFFORTS, chosen
from harness.cli import entering
from harness.cli.checks import check_choice, check_writable
from harness.cli.choices import WIREGUARD
from harness.cli.console import CONSOLE
from harness.gate import environment
from reports.ending import NO_INPUT, UNAVAILABLE, end

_COLOURS = {Verdict.BETTER: "green", Verdict.WORSE: "red", Verdict.NOISE: "dim"}


def run(
    json: Path | None, history: Path | None, profile: str, only: list[str], organizations: int | None, wireguard: str
) -> None:
    """Measures, shows and writes the rows, and ends with the exit code."""
    check_choice("profile", profile, tuple(EFFORTS))
    check_choice("wireguard", wireguard, WIREGUARD)
    wanted = [row for words in only for row in words.split(",")]
    for row in wanted:
        check_choice("only", row, tuple(goal.id for goal in GOALS))
    for file in (json, history):
        if file is not None:
            check_writable(file)
    entering.enter_sandbox()
    effort = EFFORTS[profile] if organizations is None else EFFORTS[profile].with_at_most(organizations)
    began = datetime.now(timezone.utc)

    def keep(measured: dict[str, Measured]) -> None:
        if json is not None:
            benches.write(json, measured)

    # Written first, so that a run that fails does not leave an older run's file.
    keep({})
    outcome = benches.run(chosen(profile, wanted), wanted, effort, wireguard, CONSOLE, keep)
    benches.show(outcome, CONSOLE)
    if history is not None and outcome.measured:
        filled = [row for row in rows(outcome.measured) if row.value is not None]
        at = began.strftime("%Y-%m-%dT%H:%MZ")
        histories.append(history, histories.Run(at, profile, environment.facts(wireguard), filled))
    if outcome.failed:
        raise typer.Exit(UNAVAILABLE)
    raise typer.Exit(1 if any(row.met is False for row in rows(outcome.measured)) else 0)


def compare(first: Path, second: Path) -> None:
    """Shows each row of two runs with its verdict, and ends with the exit code."""
    before, after = _read(first), _read(second)
    table = Table(box=None, padding=(0, 1, 0, 0), highlight=False)
    for column, justify in (("", "left"), ("before", "right"), ("after", "right"), ("", "left"), ("p", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    table.add_column("turns")
    found = comparison.compare(before, after)
    for each in found:
        table.add_row(
            each.id,
            f"{each.before:.3g}",
            f"{each.after:.3g}",
            f"[{_COLOURS[each.verdict]}]{each.verdict.value}[/]",
            f"{each.p:.3g}",
            f"{each.turns[0]} and {each.turns[1]}{', too few to tell' if each.too_few else ''}",
        )
    CONSOLE.print(table)
    if not found:
        CONSOLE.print("No row was measured in both.")
    raise typer.Exit(1 if any(each.verdict is Verdict.WORSE for each in found) else 0)


def chart(history: Path, drawing: Path) -> None:
    """Draws a history, and ends with the exit code."""
    try:
        runs = histories.load(history)
    except histories.Unreadable as error:
        end(str(error), NO_INPUT)
    check_writable(drawing)
    drawing.write_text(charts.draw(runs), encoding="utf-8")


def scale(figures: Path) -> None:
    """Prints the capacity that follows from a file of figures, and ends with the exit code."""
    try:
        found = scales.load(figures)
    except scales.Unreadable as error:
        end(str(error), NO_INPUT)
    print(scales.tables(found))


def _read(path: Path) -> list[GoalRow]:
    try:
        return histories.rows_of(path)
    except histories.Unreadable as error:
        end(str(error), NO_INPUT)
