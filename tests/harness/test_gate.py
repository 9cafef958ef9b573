"""What counts as a break that was noticed."""

from __future__ import annotations

import os

import pytest

from harness import runs
from harness.gate import Crowd, crowd, judge
from harness.plugin import TURN
from harness.results import ScenarioResult
from harness.runs import Finished, RunOptions
from harness.sabotage.catalogue import Sabotage

LEAK = Sabotage("leak", "no-egress", "there is a leak", "egress:leak", "test_nothing_gets_out", "packets got out")


def said(verdict: str, failure: str | None) -> Finished:
    """A run of the one scenario."""
    return Finished((ScenarioResult("test_nothing_gets_out", "", "no-egress", verdict, 1.0, {}, [], failure, []),), "")


def test_a_refutation_in_the_words_of_the_break_counts() -> None:
    assert judge(LEAK, said("refuted", "3 packets got out (a, b, c)")) == (
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
def test_nothing_else_does(verdict: str, failure: str | None) -> None:
    caught, noticed = judge(LEAK, said(verdict, failure))
    assert not caught
    assert verdict in noticed
    assert failure is None or failure in noticed


def test_a_run_that_came_to_nothing_tells_why() -> None:
    assert judge(LEAK, Finished((), "ImportError: no module")) == (False, "no scenario ran: ImportError: no module")


def test_turns_come_in_order_and_then_there_are_no_more() -> None:
    with runs.turns() as descriptor:
        drawn = [os.read(descriptor, TURN.size) for _ in range(3)]
        assert [TURN.unpack(each)[0] for each in drawn] == [0, 1, 2]
        while os.read(descriptor, 4096):
            pass


def test_a_slow_machine_gets_more_time_and_less_to_do_at_once() -> None:
    usual, slow = RunOptions(profile="full"), RunOptions(profile="full", patience=10)
    assert slow.deadline_s == 10 * usual.deadline_s
    assert crowd(usual.patience, cores=2) == Crowd(scenarios=2, runs=4)
    assert crowd(slow.patience, cores=2) == Crowd(scenarios=1, runs=2)
    assert crowd(slow.patience, cores=1) == Crowd(scenarios=1, runs=1)
    assert crowd(usual.patience, cores=16).scenarios == 4
