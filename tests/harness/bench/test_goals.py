"""Rows of the file that `bench --json` writes."""

from __future__ import annotations

import json
from pathlib import Path

from harness.bench.goals import GOALS, Measured, rows
from harness.bench.run import write

BY_ID = {goal.id: goal for goal in GOALS}


def test_every_goal_has_a_row_and_unmeasured_ones_have_no_value(tmp_path: Path) -> None:
    write(tmp_path / "bench.json", {"save-median": Measured(2.5, "GET /policy: 1.00 ms")})
    found = {row["id"]: row for row in json.loads((tmp_path / "bench.json").read_text())}
    assert list(found) == list(BY_ID)
    assert found["save-median"] == {
        "id": "save-median",
        "value": 2.5,
        "unit": "ms",
        "target": 3.0,
        "met": True,
        "baseline": "GET /policy: 1.00 ms",
    }
    assert (found["throughput"]["value"], found["throughput"]["met"]) == (None, None)


def test_a_limit_is_met_from_its_good_side() -> None:
    met = {row.id: row.met for row in rows({"throughput": Measured(0.96), "save-median": Measured(3.01)})}
    assert (met["throughput"], met["save-median"]) == (False, False)
    met = {row.id: row.met for row in rows({"throughput": Measured(0.97), "late-packets": Measured(0.0)})}
    assert (met["throughput"], met["late-packets"]) == (True, True)


def test_a_goal_without_a_limit_is_neither_met_nor_missed() -> None:
    assert [row.met for row in rows({"first-ping": Measured(300.0)}) if row.id == "first-ping"] == [None]
