"""Commands `transcript show`, `verify`, `diff`, `replay`, `schema`, `log list` and `log verify`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports import compare, installed, scope, texts
from reports.ending import FAILED, NO_INPUT, end
from reports.events import format as event_format
from reports.schema import Transcript, TranscriptError, json_schema, load

_LATEST = Path("reports/out/latest")
_STYLE = {"proven": "green", "pass": "green", "refuted": "red", "fail": "red", "inconclusive": "yellow"}

File = Annotated[Path, typer.Argument(help="A transcript, or the folder of a run.")]


Log = Annotated[
    Path | None, typer.Argument(help="Folder of a log of runs; your own, if you have one, if none is named.")
]
LogKey = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="PEM of a public key that you know from elsewhere; the one beside the log if not given."
    ),
]

transcript = typer.Typer(
    help="Read a gate run's transcript, check its signature, compare two, check the log of runs.",
    no_args_is_help=True,
    add_completion=False,
)
log = typer.Typer(help="Read and check the log of runs.", no_args_is_help=True, add_completion=False)
transcript.add_typer(log, name="log")


@transcript.command()
def show(file: File = _LATEST) -> None:
    """Show the verdicts of a run.

    Exit codes: 0 shown, 66 a file that can't be read.
    """
    run = _load(file)
    console = Console(highlight=False)
    facts = f"  {run.started_at}  {texts.duration(run.seconds)}  profile {run.profile}  seed {run.seed}"
    console.print(Text.assemble(_coloured(run.verdict), _text(facts)))
    if run.hub is not None:
        console.print(_text(f"Of another hub, {run.hub}", "yellow"))
    summarize(run, console)
    for name, value in {**run.environment, **_evidence(run)}.items():
        console.print(Text.assemble(_text(name, "dim"), " ", _text(str(value))))


def _evidence(run: Transcript) -> dict[str, str]:
    """Digests of the tested software, the key, and the place in the log, as far as the transcript has them."""
    found = {}
    if run.tested is not None:
        found["tree"] = run.tested.tree or f"not known: {run.tested.unknown}"
        found["packages"] = run.tested.packages_digest
        if run.tested.altered:
            found["altered packages"] = ", ".join(run.tested.altered)
    if run.signed_by:
        found["key"] = run.signed_by
        found["log of runs"] = "none" if run.log is None else f"{run.log.name}, entry {run.log.index}"
    return found


def summarize(run: Transcript, console: Console) -> None:
    """Prints claims and sabotages of a run as a table.

    Args:
        run: the run.
        console: where to print.
    """
    table = Table(box=None, pad_edge=False)
    for column in ("claim", "scenario", "verdict", "time"):
        table.add_column(column, overflow="fold")
    for claim in run.claims:
        table.add_row(_text(claim.id), "", _coloured(claim.verdict), "")
        for scenario in claim.scenarios:
            table.add_row("", _text(scenario.name), _coloured(scenario.verdict), texts.duration(scenario.seconds))
            if scenario.failure:
                table.add_row("", _text(scenario.failure, "red"), "", "")
            if scenario.again:
                table.add_row("", "run once more alike", _coloured(scenario.again), "")
    console.print(table)
    unnoticed = [sabotage.id for sabotage in run.sabotage if not sabotage.caught]
    if run.left_out:
        console.print(_text(f"Of part of the claims only; left out: {', '.join(run.left_out)}", "yellow"))
    if run.options:
        console.print(_text(f"Its options were {scope.options(run)}.", "yellow"))
    left = f"; {len(run.untried)} left to other seeds" if run.untried else ""
    console.print(f"sabotages noticed: {len(run.sabotage) - len(unnoticed)} of {len(run.sabotage)}{left}")
    if scope.tried_no_mutants(run):
        console.print("mutants: none were tried")
    elif run.mutants:
        counted = Counter(mutant.verdict for mutant in run.mutants)
        console.print(_text(f"mutants: {', '.join(f'{number} {word}' for word, number in counted.items())}"))
    for problem in run.problems:
        console.print(_text(problem, "red"))


@transcript.command()
def verify(
    file: File = _LATEST,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM of a public key that you know from elsewhere.")
    ] = None,
    tree: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Checkout or unpacked tarball that may be the one that was tested."),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Log of runs, of which every entry is checked.")
    ] = None,
) -> None:
    """Check that a transcript is the one that was signed, that it has the format of one, and its place in the log.

    Exit codes: 0 it is, 1 the signature, the format, the place in the log or the tree does not hold, 66 a file that
    can't be read, 69 the harness is not installed.
    """
    _verifying().verify(file, key, tree, log)


@transcript.command()
def diff(before: File, after: File) -> None:
    """Compare two runs.

    Exit codes: 0 nothing got worse, 1 something did, 66 a file that can't be read.
    """
    difference = compare.compare(_load(before), _load(after))
    console = Console(highlight=False)
    for change in difference.changes:
        words = f"{change.name}: {change.before or 'absent'} → {change.after or 'absent'}"
        console.print(_text(words, "red" if change.worse else "green"))
    table = Table(box=None, pad_edge=False)
    for column in ("figure", "before", "after", "ratio"):
        table.add_column(column, overflow="fold")
    for figure in difference.figures:
        ratio = figure.ratio
        table.add_row(
            _text(figure.name), f"{figure.before:.4g}", f"{figure.after:.4g}", "" if ratio is None else f"{ratio:.2f}"
        )
    console.print(table)
    if difference.is_worse:
        raise typer.Exit(FAILED)


@transcript.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording, or the folder of a run.")] = _LATEST,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Address of the page (http).")] = "127.0.0.1:0",
    speed: Annotated[float, typer.Option(metavar="N", help="Factor by which it goes faster than the run did.")] = 1.0,
) -> None:
    """Show an old run as it happened, on a page, from the events that were kept beside its transcript.

    Exit codes: 0 it was ended, 1 the recording is not the one of its transcript, 64 bad usage, 66 a file that can't be
    read, 71 the address is taken.
    """
    # Here, because the help of all commands loads this module.
    from reports.events import showing

    try:
        showing.show(file, listen, speed)
    except showing.NotShown as error:
        end(str(error), error.code)


@transcript.command()
def schema(
    events: Annotated[bool, typer.Option("--events", help="Of one line of events.jsonl.gz instead.")] = False,
) -> None:
    """Print the JSON Schema of transcript.json.

    Exit codes: 0 printed.
    """
    print((event_format.json_schema() if events else json_schema()).decode(), end="")


@log.command("verify")
def verify_log(
    folder: Log = None,
    key: LogKey = None,
    since: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="An earlier checkpoint that you kept, or a run, which the log has to continue."
        ),
    ] = None,
) -> None:
    """Check every entry and every tile of a log of runs.

    Exit codes: 0 they hold, 1 it was damaged, cut or rewritten, 64 no log is named and there is not one of your own,
    66 a file that can't be read, 69 the harness is not installed.
    """
    _verifying().verify_log(folder, key, since)


@log.command("list")
def list_log(folder: Log = None, key: LogKey = None) -> None:
    """Check a log of runs, and list its runs, also those that were broken off.

    Exit codes: 0 listed, 1 it was damaged, cut or rewritten, 64 no log is named and there is not one of your own,
    66 a file that can't be read, 69 the harness is not installed.
    """
    _verifying().list_log(folder, key)


def _verifying() -> ModuleType:
    """Imports the commands that verify. The help of all commands loads this module, also without the harness."""
    return installed.load("reports.verify_commands")


def _load(file: Path) -> Transcript:
    try:
        return load(file)
    except TranscriptError as error:
        end(str(error), NO_INPUT)


def _text(text: str, style: str = "") -> Text:
    """Text of a run, which is never markup and never steers the terminal."""
    return Text(texts.printable(text), style)


def _coloured(verdict: str) -> Text:
    return _text(verdict, _STYLE.get(verdict, ""))
