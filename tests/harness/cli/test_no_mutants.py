"""A run that was to have mutants and has none does not pass in silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import pytest
import typer
from rich.console import Console

from harness.cli import entering
from harness.cli.commands import mutate
from harness.cli.commands.gate import with_mutants
from harness.events.feed import Feed
from harness.gate.gate import GateRun
from harness.gate.plans import GatePlan
from harness.gate.runs import RunOptions
from harness.mutation import trial
from reports.cli import summarize
from reports.ending import UNAVAILABLE
from reports.schema import MutantVerdict
from tests.reports.samples import run


def tried(mutants: int, monkeypatch: pytest.MonkeyPatch, drawn: Sequence[str]) -> GateRun:
    monkeypatch.setattr(trial, "drawn", lambda *_: drawn)
    monkeypatch.setattr(trial, "court", lambda *_: None)
    monkeypatch.setattr(trial, "tried", lambda *_: [MutantVerdict(each, "vault", "noticed") for each in drawn])
    with Feed() as feed:
        return with_mutants(GateRun(GatePlan(RunOptions(), mutants=mutants), 0.0, 0.0, (), ()), feed)


@pytest.mark.parametrize(
    ("mutants", "drawn", "problems"),
    [
        (0, [], ()),
        (1, ["m1"], ()),
        (5, [], ("No mutant could be drawn, and 5 were wanted.",)),
    ],
)
def test_mutants_that_can_t_be_drawn_are_a_problem(
    monkeypatch: pytest.MonkeyPatch, mutants: int, drawn: list[str], problems: tuple[str, ...]
) -> None:
    found = tried(mutants, monkeypatch, drawn)
    assert (found.problems, len(found.mutants)) == (problems, len(drawn))


@pytest.mark.parametrize("only_list", [False, True])
def test_nothing_to_mutate_is_an_error(monkeypatch: pytest.MonkeyPatch, *, only_list: bool) -> None:
    def judge(*_: object) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(mutate, "mutants_of", lambda _: ())
    monkeypatch.setattr(entering, "enter_sandbox", lambda: None)
    monkeypatch.setattr(mutate, "Court", judge)
    with pytest.raises(typer.Exit) as ended:
        mutate.run([], [], None, 1, 1.0, 1.0, resume=False, nearest=False, only_list=only_list)
    assert ended.value.exit_code == UNAVAILABLE


@pytest.mark.parametrize(
    ("mutants", "words"),
    [([], "mutants: none were tried"), ([MutantVerdict("m1", "vault", "noticed")], "mutants: 1 noticed")],
)
def test_the_summary_says_whether_there_were_mutants(mutants: list[MutantVerdict], words: str) -> None:
    console = Console(record=True, quiet=False)
    with console.capture() as said:
        summarize(run(mutants=mutants), console)
    assert words in said.get()
