"""Measurement of resolution with runs that are made up, and one that is real."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate.results import ScenarioResult
from harness.gate.runs import RunOptions, RunResult
from harness.journal import Journal
from harness.resolution.measuring import (
    Entry,
    Found,
    Measurement,
    MeasurementOptions,
    judge,
    key,
    most_missed,
    run_cell,
)
from harness.resolution.plan import TARGETS, Cell, Target
from harness.resolution.results import TargetResult, results

LATE, LEAK = (
    next(target for target in TARGETS if target.name == name)
    for name in ("policy-enforcement/late", "policy-enforcement/leak")
)
OPTIONS = MeasurementOptions(20, RunOptions(seed=100), until=float("inf"), at_once=1)


def outcome(target: Target, verdict: str, failure: str | None = None) -> RunResult:
    """Returns a run in which the first scenario has this verdict, and the others are proven."""
    first, *others = target.scenarios
    made = [ScenarioResult(first, verdict, 1.0, {}, claim=target.claim, failure=failure)]
    return RunResult((*made, *(ScenarioResult(each, "proven", 1.0, {}, claim=target.claim) for each in others)), "")


FOUND, MISSED = (outcome(LEAK, "refuted", f"9 {LEAK.says[0]}"), outcome(LEAK, "proven"))


class Scenarios:
    """Runs that find faults up to a size, and less of the next one.

    Attributes:
        ran: number of runs by value.
    """

    def __init__(self, least: int, partly: int | None = None) -> None:
        self.ran: Counter[int | None] = Counter()
        self.seeds: set[int] = set()
        self._least, self._partly = least, partly
        self._lock = threading.Lock()

    def __call__(self, cell: Cell, options: RunOptions) -> RunResult:
        with self._lock:
            self.ran[cell.value] += 1
            self.seeds.add(options.seed)
        if cell.value is None:
            return MISSED
        if cell.value == self._partly:
            return FOUND if options.seed % 2 else MISSED
        return FOUND if cell.value <= self._least else MISSED


def measured(
    file: Path, scenarios: Scenarios, options: MeasurementOptions = OPTIONS, *, goes_on: bool = False
) -> TargetResult:
    """Measures one target."""
    journal = Journal(file, Entry, key, goes_on=goes_on)
    entries = Measurement([LEAK], options, journal, lambda *_: None, scenarios).entries()
    (found,) = results([LEAK], entries, options.run.profile)
    return found


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_smallest_fault_that_is_found_has_most_runs(tmp_path: Path, at_once: int) -> None:
    scenarios = Scenarios(100, partly=1_000)
    found = measured(tmp_path / "journal", scenarios, replace(OPTIONS, at_once=at_once))
    assert found.least == 100
    assert scenarios.ran[10] == 1
    assert scenarios.ran[100] == OPTIONS.runs
    # Runs side by side may begin before the outcome of others is known.
    assert 2 <= scenarios.ran[10_000] <= 2 + at_once
    assert 3 <= scenarios.ran[1_000] <= 4 + at_once
    assert scenarios.ran[None] >= OPTIONS.runs // 4
    assert scenarios.seeds == set(range(100, 100 + OPTIONS.runs))
    by_value = {cell.value: cell for cell in found.cells}
    assert (by_value[100].found, by_value[100].runs) == (20, 20)
    assert found.sound is not None
    assert found.sound.found == 0


def test_a_measurement_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    journal, first = tmp_path / "journal", Scenarios(1_000)
    whole = measured(journal, first)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == first.ran.total()
    # The last line of a run that was cut off is incomplete.
    journal.write_bytes(b"".join(lines[:10]) + lines[10][:20])
    rest = Scenarios(1_000)
    assert measured(journal, rest, goes_on=True) == whole
    assert rest.ran.total() == len(lines) - 10
    nothing = Scenarios(1_000)
    assert measured(journal, nothing, goes_on=True) == whole
    assert nothing.ran.total() == 0


def test_no_run_begins_when_the_time_is_over(tmp_path: Path) -> None:
    scenarios = Scenarios(1_000)
    found = measured(tmp_path / "journal", scenarios, replace(OPTIONS, until=time.monotonic() - 1))
    assert scenarios.ran.total() == 0
    assert found.least is None
    assert [cell.runs for cell in found.cells] == [0, 0, 0, 0]


def test_an_undecided_run_is_not_kept(tmp_path: Path) -> None:
    def killed(cell: Cell, options: RunOptions) -> RunResult:
        del cell, options
        return RunResult((), "It was killed.")

    journal = tmp_path / "journal"
    made = Measurement([LEAK], OPTIONS, Journal(journal, Entry, key, goes_on=False), lambda *_: None, killed)
    assert made.entries() == []
    assert journal.read_bytes() == b""


@pytest.mark.parametrize(
    ("run", "found"),
    [
        (FOUND, Found.FOUND),
        (MISSED, Found.MISSED),
        (outcome(LEAK, "refuted", "mumbai completed no handshake"), Found.UNCLEAR),
        (outcome(LEAK, "inconclusive", f"control failed: {LEAK.says[0]}"), Found.UNCLEAR),
        (RunResult(MISSED.outcomes[:1], ""), Found.UNDECIDED),
        (RunResult((), "ImportError"), Found.UNDECIDED),
    ],
)
def test_only_a_refutation_with_the_faults_words_finds_it(run: RunResult, found: Found) -> None:
    assert judge(Cell(LEAK, 10), run)[0] is found


@pytest.mark.parametrize(("runs", "missed"), [(1, 0), (10, 0), (19, 0), (20, 1), (39, 1), (40, 2), (100, 5)])
def test_the_goal_allows_one_miss_in_twenty(runs: int, missed: int) -> None:
    assert most_missed(runs) == missed


@given(st.integers(1, 500))
def test_one_miss_more_than_allowed_misses_the_goal(runs: int) -> None:
    assert (runs - most_missed(runs)) / runs >= 0.95 > (runs - most_missed(runs) - 1) / runs


@pytest.mark.long
def test_a_real_run_finds_a_large_fault() -> None:
    (egress,) = (target for target in TARGETS if target.claim == "no-egress")
    found, words = judge(Cell(egress, 10), run_cell(Cell(egress, 10), RunOptions(seed=1)))
    assert found is Found.FOUND, words
