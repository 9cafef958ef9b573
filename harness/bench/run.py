"""Command ``bench``: measures, prints a table, and writes a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from harness.bench.beside import Measured
from harness.bench.goals import GOALS, rows
from harness.bench.plan import Effort, Step
from harness.client.api import ApiError
from harness.judging.verdicts import Inconclusive, Refuted
from netlab import NetlabError


@dataclass(frozen=True)
class BenchResult:
    """Result of a run.

    Attributes:
        measured: values by row.
        failed: reason by row that could not be measured.
    """

    measured: dict[str, Measured]
    failed: dict[str, str]


def run(
    measurements: Sequence[Step],
    only: Collection[str],
    effort: Effort,
    wireguard: str,
    console: Console,
    keep: Callable[[dict[str, Measured]], None] = lambda _: None,
) -> BenchResult:
    """Runs measurements one after another; goes on if one fails.

    Args:
        only: rows to keep; all if empty.
        keep: takes all values so far, after each measurement.
    """
    measured: dict[str, Measured] = {}
    failed: dict[str, str] = {}
    for each in measurements:
        wanted = [row for row in each.rows if not only or row in only]
        console.print(f"[bold]{', '.join(wanted)}[/]")
        start = time.monotonic()
        try:
            found = each.measure(effort, wireguard, lambda text: console.print(f"  {text}", markup=False))
        except (Inconclusive, Refuted, NetlabError, ApiError, httpx.HTTPError) as error:
            console.print(f"  not measured: {error}", style="red", markup=False)
            failed |= dict.fromkeys(wanted, str(error))
        else:
            measured |= {row: value for row, value in found.items() if row in wanted}
            keep(measured)
        console.print(f"  took {time.monotonic() - start:.0f} s")
    return BenchResult(measured, failed)


def write(path: Path, measured: dict[str, Measured]) -> None:
    """Writes the rows as JSON.

    Raises:
        OSError: the file can't be written.
    """
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows(measured)), indent=2) + b"\n")


def show(outcome: BenchResult, console: Console) -> None:
    """Prints a table of the result, and names the rows that are not in it."""
    table = Table(box=None, padding=(0, 1, 0, 0), highlight=False)
    for column, justify in (("", "left"), ("measured", "right"), ("spread", "right"), ("goal", "left"), ("", "left")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("beside it", overflow="fold")
    for goal in GOALS:
        found = outcome.measured.get(goal.id)
        if found is None:
            continue
        met = goal.met_by(found.value)
        spread = "" if found.spread is None else f"{found.spread[0]:.3g} to {found.spread[1]:.3g}"
        mark = "[green]met[/]" if met else "[red]not met[/]"
        table.add_row(goal.id, f"{found.value:.3g}", spread, goal.limit_text, mark, found.baseline)
    console.print(table)
    for row in outcome.failed:
        console.print(f"{row} could not be measured, see above.", style="red")
    left_out = [each.id for each in GOALS if each.id not in outcome.measured and each.id not in outcome.failed]
    if left_out:
        console.print(f"Left out by this run (--profile full measures all, --only ROW one): {', '.join(left_out)}.")
