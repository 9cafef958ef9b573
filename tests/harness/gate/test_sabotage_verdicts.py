"""Judgement of a sabotage by the run that should notice it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.gate.gate import judge_sabotage
from harness.gate.runs import RunResult
from tests.harness.gate.made_up_runs import LEAK, result_with


def test_a_refutation_with_the_words_of_the_sabotage_counts() -> None:
    assert judge_sabotage(LEAK, result_with("refuted", "3 packets got out (a, b, c)")) == (
        True,
        "test_nothing_gets_out: 3 packets got out (a, b, c)",
    )


@pytest.mark.parametrize(
    ("verdict", "failure"),
    [
        ("refuted", "mumbai completed no handshake with the hub in 6 s"),
        ("inconclusive", "control failed: 3 packets got out"),
        ("proven", None),
    ],
)
def test_any_other_failure_does_not_count(verdict: str, failure: str | None) -> None:
    caught, noticed = judge_sabotage(LEAK, result_with(verdict, failure))
    assert not caught
    assert verdict in noticed
    assert failure is None or failure in noticed


@pytest.mark.parametrize(
    ("failure", "caught"),
    [
        ("3 packets got out: to a host", True),
        ("3 packets got out: to a router", True),
        ("3 packets got out: in the hub's log", False),
        ("a host was not reached", False),
    ],
)
def test_of_further_words_of_a_sabotage_one_is_needed(failure: str, caught: bool) -> None:
    either = replace(LEAK, one_of=("to a host", "to a router"))
    assert judge_sabotage(either, result_with("refuted", failure))[0] is caught


def test_a_run_without_scenarios_gives_the_reason() -> None:
    assert judge_sabotage(LEAK, RunResult((), "ImportError: no module")) == (
        False,
        "no scenario ran: ImportError: no module",
    )
