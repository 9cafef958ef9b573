"""Rows of the file that `bench --json` writes, and the ratios in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.bench.beside import MOST_TURNS, Measured, high, measured, share
from harness.bench.goals import GOALS, UNIT, rows
from harness.bench.run import write

BY_ID = {goal.id: goal for goal in GOALS}
TIMES = some.lists(some.floats(0.1, 100.0), min_size=1, max_size=60)


def test_every_goal_has_a_row_and_unmeasured_ones_have_no_value(tmp_path: Path) -> None:
    write(tmp_path / "bench.json", {"save-median": Measured(1.5, "1.5 ms beside 1 ms of GET /policy", (1.25, 1.75))})
    found = {row["id"]: row for row in json.loads((tmp_path / "bench.json").read_text())}
    assert list(found) == list(BY_ID)
    assert found["save-median"] == {
        "id": "save-median",
        "value": 1.5,
        "unit": "ratio",
        "target": 1.8,
        "met": True,
        "baseline": "1.5 ms beside 1 ms of GET /policy",
        "turns": [1.25, 1.75],
    }
    assert (found["throughput"]["value"], found["throughput"]["met"]) == (None, None)


def test_every_row_is_a_ratio_to_something_with_a_target() -> None:
    assert all(goal.beside for goal in GOALS)
    assert {row.unit for row in rows({})} == {UNIT}
    assert all(row.limit is not None for row in rows({}))


def test_a_limit_is_met_from_its_good_side() -> None:
    met = {row.id: row.met for row in rows({"throughput": Measured(0.96, ""), "save-median": Measured(3.01, "")})}
    assert (met["throughput"], met["save-median"]) == (False, False)
    met = {row.id: row.met for row in rows({"throughput": Measured(0.97, ""), "late-packets": Measured(0.0, "")})}
    assert (met["throughput"], met["late-packets"]) == (True, True)


def test_a_ratio_is_of_both_medians_and_tells_both() -> None:
    found = measured([2.0, 30.0, 4.0], [1.0, 2.0, 8.0], "ms", "GET /policy", "3 saves")
    assert found.value == 2.0
    assert found.turns == (2.0, 15.0, 0.5)
    assert found.spread == (0.5, 15.0)
    assert found.baseline == "4 ms beside 2 ms of GET /policy; 3 saves"


@given(TIMES)
def test_many_values_become_few_turns_of_all_of_them(values: list[float]) -> None:
    found = measured(values, [2 * each for each in values], "s", "twice as much", of=high)
    assert found.turns == pytest.approx([0.5] * min(MOST_TURNS, len(values)))
    assert found.value == pytest.approx(0.5)


def test_the_slow_end_is_what_one_in_a_hundred_exceeds() -> None:
    assert high([float(number) for number in range(200)]) == 198.0
    assert high([3.0, 1.0, 2.0]) == 3.0


def test_a_share_counts_over_all_turns() -> None:
    found = share([1, 0, 0], [10, 30, 0], "1 of 40")
    assert (found.value, found.turns) == (0.025, (0.1, 0.0))
