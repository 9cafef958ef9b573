"""Options of ``bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.installed import body_of
from harness.cli.options.shared import Wireguard

bench = typer.Typer(add_completion=False, invoke_without_command=True)


@bench.callback()
def _bench(
    context: typer.Context,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the rows to this file too.")] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add the rows as one line to this file too (JSON lines).")
    ] = None,
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="quick or full: number and length of the measurements.")
    ] = "quick",
    only: Annotated[
        list[str] | None, typer.Option(metavar="ROW[,ROW]", help="Only these rows of the table; repeatable.")
    ] = None,
    organizations: Annotated[int | None, typer.Option(metavar="N", min=10, help="Most organizations at once.")] = None,
    wireguard: Wireguard = "auto",
) -> None:
    """Measure the service beside a bare hub and beside itself, in turns, in one run: each row is a ratio.

    The full profile measures every goal and takes the better part of an hour; the quick one leaves the slow ones out.

    Exit codes: 0 it was measured, 1 a goal is not met, 64 bad usage, 69 something could not be measured, 73 the file
    can't be written, 77 no sandbox possible.
    """
    if context.invoked_subcommand is None:
        body_of("bench").run(json, history, profile, only or [], organizations, wireguard)


@bench.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="A file of --json, or of --history: its last line.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
) -> None:
    """Tell of each row of two runs whether it is better, worse, or noise.

    A row is better or worse if it changed by more than a twentieth, and Mann and Whitney's test of the turns of both
    runs, exact and two-sided, gives less than one in a hundred. That takes five turns in each run.

    Exit codes: 0 no row is worse, 1 one is, 66 a file can't be read.
    """
    body_of("bench").compare(before, after)


@bench.command()
def chart(
    history: Annotated[Path, typer.Argument(metavar="HISTORY", help="A file of --history.")],
    drawing: Annotated[Path, typer.Argument(metavar="SVG", help="The drawing to write.")],
) -> None:
    """Draw how each row changed from run to run, with its goal.

    Exit codes: 0 drawn, 66 the history can't be read, 73 the drawing can't be written.
    """
    body_of("bench").chart(history, drawing)


@bench.command()
def scale(
    figures: Annotated[Path, typer.Argument(metavar="FIGURES", help="A file of figures, as docs/scale.toml is.")],
) -> None:
    """Print the tables of docs/scale.md: what each part carries, and what more organizations take.

    Exit codes: 0 printed, 66 the figures can't be read.
    """
    body_of("bench").scale(figures)
