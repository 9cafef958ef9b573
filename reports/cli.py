"""``transcript show``, ``verify`` and ``diff``.

Exit codes: 1 the signature does not hold, or something got worse; 3 a file that can't be read.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reports import attest, compare, texts
from reports.schema import Transcript, TranscriptError, load

_LATEST = Path("reports/out/latest")
_STYLE = {"proven": "green", "pass": "green", "refuted": "red", "fail": "red", "inconclusive": "yellow"}

File = Annotated[Path, typer.Argument(help="A transcript, or the folder of a run.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Read a gate run's transcript, check its signature, compare two.", no_args_is_help=True)
    group.command()(show)
    group.command()(verify)
    group.command()(diff)
    app.add_typer(group, name="transcript")


def show(file: File = _LATEST) -> None:
    """Show what a run came to."""
    run = _load(file)
    console = Console(highlight=False)
    console.print(
        f"[{_STYLE.get(run.verdict, '')}]{run.verdict}[/]  {run.started_at}  {texts.duration(run.seconds)}  "
        f"profile {run.profile}  seed {run.seed}"
    )
    summarize(run, console)
    for name, value in run.environment.items():
        console.print(f"[dim]{escape(name)}[/] {escape(str(value))}")


def summarize(run: Transcript, console: Console) -> None:
    """The claims and sabotages as a table."""
    table = Table(box=None, pad_edge=False)
    for column in ("claim", "scenario", "verdict", "time"):
        table.add_column(column)
    for claim in run.claims:
        table.add_row(claim.id, "", _coloured(claim.verdict), "")
        for scenario in claim.scenarios:
            table.add_row("", scenario.name, _coloured(scenario.verdict), texts.duration(scenario.seconds))
            if scenario.failure:
                table.add_row("", f"[red]{escape(texts.printable(scenario.failure))}[/]", "", "")
    console.print(table)
    unnoticed = [sabotage.id for sabotage in run.sabotage if not sabotage.caught]
    console.print(f"sabotages noticed: {len(run.sabotage) - len(unnoticed)} of {len(run.sabotage)}")
    for problem in run.problems:
        console.print(f"[red]{escape(problem)}[/]")


def verify(
    file: File = _LATEST,
    key: Annotated[Path | None, typer.Option(help="PEM of a public key that you know from elsewhere.")] = None,
) -> None:
    """Check that a transcript is the one that was signed."""
    folder = file if file.is_dir() else file.parent
    try:
        known = attest.verify(folder, key)
    except attest.AttestationError as error:
        _end(str(error), 1)
    print(
        "The signature holds." if known else "The signature holds, by the key that lies beside it: name one you know."
    )


def diff(before: File, after: File) -> None:
    """Compare two runs."""
    difference = compare.compare(_load(before), _load(after))
    console = Console(highlight=False)
    for change in difference.changes:
        style = "red" if change.worse else "green"
        console.print(f"[{style}]{escape(change.name)}: {change.before or 'absent'} → {change.after or 'absent'}[/]")
    table = Table(box=None, pad_edge=False)
    for column in ("figure", "before", "after", "ratio"):
        table.add_column(column)
    for figure in difference.figures:
        ratio = figure.ratio
        table.add_row(
            escape(figure.name), f"{figure.before:.4g}", f"{figure.after:.4g}", "" if ratio is None else f"{ratio:.2f}"
        )
    console.print(table)
    if difference.is_worse:
        raise typer.Exit(1)


def _load(file: Path) -> Transcript:
    try:
        return load(file)
    except TranscriptError as error:
        _end(str(error), 3)


def _end(sentence: str, code: int) -> NoReturn:
    print(f"meshwg: {sentence}", file=sys.stderr)
    raise typer.Exit(code)


def _coloured(verdict: str) -> str:
    return f"[{_STYLE.get(verdict, '')}]{verdict}[/]"
