"""Body of ``resolution``: how small a fault the gate finds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from harness.cli import entering
from harness.cli.checks import check_choice, check_folder, check_number, check_writable
from harness.cli.console import CONSOLE
from harness.gate.gate import concurrency
from harness.gate.runs import DEADLINES_S, RunOptions
from harness.journal import Journal
from harness.paths import REPORTS
from harness.resolution.measuring import Entry, Found, Measurement, MeasurementOptions, key
from harness.resolution.plan import TARGETS, Cell
from harness.resolution.results import COLUMNS, TargetResult, results, row, size, write
from reports.texts import printable

_JOURNAL = "resolution.jsonl"
_STYLES = {Found.FOUND: "green", Found.MISSED: "red", Found.UNCLEAR: "yellow", Found.UNDECIDED: "dim"}


def run(
    claims: Sequence[str],
    kinds: Sequence[str],
    profile: str,
    runs: int,
    seed: int,
    minutes: float,
    at_once: int | None,
    json: Path | None,
    *,
    resume: bool,
) -> None:
    """Measures the resolution, shows and writes it, and ends with the exit code."""
    for claim in claims:
        check_choice("claim", claim, tuple(dict.fromkeys(target.claim for target in TARGETS)))
    for kind in kinds:
        check_choice("kind", kind, tuple(dict.fromkeys(target.kind.name for target in TARGETS)))
    check_choice("profile", profile, tuple(DEADLINES_S))
    check_number("minutes", minutes)
    if json is not None:
        check_writable(json)
    check_folder(REPORTS)
    entering.enter_sandbox()
    wanted = [
        target
        for target in TARGETS
        if (not claims or target.claim in claims) and (not kinds or target.kind.name in kinds)
    ]
    each = RunOptions(profile=profile, seed=seed)
    options = MeasurementOptions(runs, each, time.monotonic() + 60 * minutes, at_once or concurrency(each).runs)
    REPORTS.mkdir(parents=True, exist_ok=True)
    journal = Journal(REPORTS / _JOURNAL, Entry, key, goes_on=resume)
    CONSOLE.print(f"{len(wanted)} claims and kinds of fault (profile {profile}, seeds {seed} to {seed + runs - 1})")
    entries = Measurement(wanted, options, journal, _show).entries()
    found = list(results(wanted, entries, profile))
    _summarize(found)
    if json is not None:
        write(json, found)
    raise typer.Exit(0 if all(target.least is not None for target in found) else 1)


def _show(cell: Cell, entry: Entry) -> None:
    text = f"{cell.target.name} {size(cell.value, is_share=cell.target.kind.is_share)}: {entry.words}"
    CONSOLE.print(Text.assemble((f"  {entry.found.value:10}", _STYLES[entry.found]), printable(text)), soft_wrap=True)


def _summarize(found: Sequence[TargetResult]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for target in found:
        table.add_row(*row(target))
    CONSOLE.print(table)
