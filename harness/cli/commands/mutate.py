"""Body of ``mutate``: mutants of the product, and their judges."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import typer
from rich.table import Table
from rich.text import Text

from harness.cli import entering
from harness.cli.checks import check_choice, check_folder, check_number
from harness.cli.console import CONSOLE
from harness.mutation import equivalent
from harness.mutation.areas import AREAS, BY_NAME
from harness.mutation.journal import Entry, Journal, Judge, Verdict
from harness.mutation.judging import Court, JudgementOptions, NotSound
from harness.mutation.mutants import Mutant, mutants_of, sample
from harness.mutation.scores import Score, noticing, scores
from harness.paths import REPORTS, TESTS
from reports.ending import UNAVAILABLE, end
from reports.texts import printable

_JOURNAL = "mutation.jsonl"
_STYLES = {Verdict.NOTICED: "green", Verdict.SURVIVED: "red", Verdict.UNDECIDED: "yellow"}


def run(
    modules: Sequence[str],
    judges: Sequence[str],
    count: int | None,
    seed: int,
    minutes: float,
    deadline_s: float,
    *,
    resume: bool,
    nearest: bool,
    only_list: bool,
) -> None:
    """Draws and judges mutants, shows the scores, and ends with the exit code."""
    _check(modules, judges, minutes, deadline_s)
    if not only_list:
        check_folder(REPORTS)
        entering.enter_sandbox()
    found = [mutant for area in AREAS if not modules or area.name in modules for mutant in mutants_of(area)]
    drawn = found if count is None else sample(found, count, seed)
    if not drawn:
        end("There are no mutants to judge.", UNAVAILABLE)
    if only_list:
        for mutant in drawn:
            _print(_told(mutant))
        raise typer.Exit(0)
    CONSOLE.print(f"{len(drawn)} of {len(found)} mutants (seed {seed})")
    asked = [judge for judge in Judge if not judges or judge.value in judges]
    until = time.monotonic() + 60 * minutes
    options = JudgementOptions(asked, seed, deadline_s, until, workers=os.cpu_count() or 1, are_recorded=not nearest)
    entries = _judged(drawn, options, resume=resume)
    scored = list(scores(drawn, entries, equivalent.read()))
    _summarize(scored, entries)
    raise typer.Exit(0 if all(each.meets_goals(asked) for each in scored) else 1)


def _check(modules: Sequence[str], judges: Sequence[str], minutes: float, deadline_s: float) -> None:
    """Ends the command if an option has a value that it does not take, or the tests are missing."""
    for name in modules:
        check_choice("module", name, tuple(BY_NAME))
    for name in judges:
        check_choice("judge", name, tuple(judge.value for judge in Judge))
    check_number("minutes", minutes)
    check_number("deadline", deadline_s)
    if not TESTS.is_dir():
        end("The tests are not installed: mutants are judged in a checkout.", UNAVAILABLE)


def _judged(drawn: Sequence[Mutant], options: JudgementOptions, *, resume: bool) -> Sequence[Entry]:
    """Judges mutants, and keeps the verdicts; `resume` begins with those that were kept before."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    court = Court(BY_NAME, options, Journal(REPORTS / _JOURNAL, goes_on=resume), _show)
    try:
        return court.judge(drawn)
    except NotSound as error:
        end(f"Nothing was judged: {error}", UNAVAILABLE)


def _show(entry: Entry) -> None:
    style = _STYLES[entry.verdict]
    text = f"{entry.mutant or 'the product itself'} by {entry.judge.value}"
    if entry.verdict is not Verdict.SURVIVED:
        text = f"{text}: {entry.by} {entry.words}"
    CONSOLE.print(Text.assemble((f"  {entry.verdict.value:10}", style), printable(text)), soft_wrap=True)


def _summarize(scored: Sequence[Score], entries: Sequence[Entry]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("module", "breaks", "gate", "unclear", "tests", "either", "other", "alike", "undecided"):
        table.add_column(column, justify="left" if column == "module" else "right")
    for each in scored:
        counts = (each.breaks, each.by_gate, each.unclear, each.by_tests, each.by_either, each.other, len(each.alike))
        table.add_row(each.area.name, *map(str, (*counts, each.undecided)))
    CONSOLE.print(table)
    for judge, test, number in noticing(entries):
        _print(f"{number:5}  by {judge.value}: {test}")
    for each in scored:
        for mutant, blind in each.survivors:
            _print(f"survived {blind}: {_told(mutant)}")
        for mutant in each.alike:
            _print(f"alike: {_told(mutant)}")


def _told(mutant: Mutant) -> str:
    return f"{mutant.id}  {mutant.before} → {mutant.after}"


def _print(line: str) -> None:
    CONSOLE.print(Text(printable(line)), soft_wrap=True)
