"""Verdicts about two runs of the bench."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.bench.beside import Measured
from harness.bench.compare import PROBABILITY, Verdict, compare, probability
from harness.bench.goals import GoalRow, rows
from harness.bench.history import Run, Unreadable, append, load, rows_of
from harness.bench.run import write

TURNS = some.lists(some.floats(0.1, 10.0), min_size=1, max_size=6)


def of(row: str, *turns: float) -> list[GoalRow]:
    """Returns the rows of a run that measured one of them."""
    return rows({row: Measured(sorted(turns)[len(turns) // 2], "", turns)})


def verdict(row: str, before: tuple[float, ...], after: tuple[float, ...]) -> Verdict:
    (found,) = compare(of(row, *before), of(row, *after))
    return found.verdict


FAST, SLOW = (2.0, 2.1, 2.2, 2.3, 2.4), (2.5, 2.6, 2.7, 2.8, 2.9)


def test_a_clear_change_is_better_or_worse() -> None:
    assert verdict("save-median", FAST, SLOW) is Verdict.WORSE
    assert verdict("save-median", SLOW, FAST) is Verdict.BETTER
    # More throughput is better.
    assert verdict("throughput", FAST, SLOW) is Verdict.BETTER
    assert verdict("throughput", SLOW, FAST) is Verdict.WORSE


def test_an_overlap_is_noise() -> None:
    assert verdict("save-median", FAST, (*SLOW[:-1], 2.05)) is Verdict.NOISE
    assert verdict("save-median", FAST, FAST) is Verdict.NOISE


def test_a_small_change_is_noise_however_sure() -> None:
    before = tuple(1.0 + number / 1000 for number in range(10))
    assert verdict("save-median", before, tuple(each + 0.03 for each in before)) is Verdict.NOISE
    assert verdict("save-median", before, tuple(each + 0.06 for each in before)) is Verdict.WORSE


def test_too_few_turns_are_noise_and_are_said_to_be_few() -> None:
    (found,) = compare(of("save-median", 1.0, 1.0, 1.0, 1.0), of("save-median", 9.0, 9.1, 9.2, 9.3))
    assert (found.verdict, found.too_few) == (Verdict.NOISE, True)
    (found,) = compare(of("save-median", *FAST), of("save-median", *SLOW))
    assert not found.too_few


def test_only_rows_of_both_runs_are_compared() -> None:
    assert compare(of("save-median", 1.0), of("throughput", 1.0)) == []


def test_the_probability_is_that_of_published_tables() -> None:
    # The two most extreme of the 252 divisions of ten values.
    assert probability(FAST, SLOW) == pytest.approx(2 / 252)
    # U = 3 of 4 and 5 values: tables say 0.056 for one side, which is 7 of 126.
    assert probability((1.0, 2.0, 3.0, 7.0), (4.0, 5.0, 6.0, 8.0, 9.0)) == pytest.approx(14 / 126)
    assert probability((1.0, 1.0), (1.0, 1.0)) == 1.0
    assert probability((), (1.0,)) == 1.0


@given(TURNS, TURNS)
def test_the_probability_is_symmetric_and_looks_at_ranks_only(first: list[float], second: list[float]) -> None:
    found = probability(first, second)
    assert 0 < found <= 1
    assert found == probability(second, first)
    assert found == probability([each**3 for each in first], [each**3 for each in second])


def test_runs_without_a_change_are_seldom_called_one() -> None:
    chance = random.Random(7)
    draws = [[chance.gauss(1.0, 0.2) for _ in range(12)] for _ in range(400)]
    false = sum(probability(each[:6], each[6:]) < PROBABILITY for each in draws)
    assert false <= 400 * PROBABILITY * 3


def test_a_history_grows_by_a_line_and_its_last_run_is_compared(tmp_path: Path) -> None:
    history = tmp_path / "figures.jsonl"
    runs = [Run(f"2026-01-0{day}T00:00Z", "quick", {"cpus": 2}, of("save-median", float(day))) for day in (1, 2)]
    for run in runs:
        append(history, run)
    assert len(history.read_text().splitlines()) == 2
    assert load(history) == runs
    assert rows_of(history) == runs[1].rows
    write(tmp_path / "bench.json", {"save-median": Measured(2.0, "", (2.0,))})
    assert rows_of(tmp_path / "bench.json") == runs[1].rows


@pytest.mark.parametrize("content", [b"", b"{}", b"[{}]", b"text"])
def test_another_file_is_refused_with_its_name(content: bytes, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(content)
    with pytest.raises(Unreadable, match=r"other\.json"):
        rows_of(other)
    with pytest.raises(Unreadable, match="can't be read"):
        rows_of(tmp_path / "none.json")
