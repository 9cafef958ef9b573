"""Rows that a run of the bench fills, and runs in which a measurement fails."""

from __future__ import annotations

from collections import Counter

from rich.console import Console

from harness.bench.beside import Measured
from harness.bench.goals import GOALS
from harness.bench.plan import EFFORTS, PLAN, Step, chosen
from harness.bench.run import run, show
from harness.judging.verdicts import Inconclusive

EFFORT = EFFORTS["quick"]


def console() -> Console:
    """Makes a console whose output can be read."""
    return Console(record=True, quiet=False, width=200, file=None)


def fills(**values: float) -> Step:
    """Returns a measurement with these values."""
    found = {row.replace("_", "-"): Measured(value, "") for row, value in values.items()}
    return Step(tuple(found), lambda *_: found)


def fails(*rows: str) -> Step:
    """Returns a measurement that fails."""

    def measure(*_: object) -> dict[str, Measured]:
        raise Inconclusive("the lab was too slow")

    return Step(rows, measure)


def test_the_full_profile_fills_every_row_exactly_once() -> None:
    filled = Counter(row for each in chosen("full", []) for row in each.rows)
    assert filled == Counter(goal.id for goal in GOALS)


def test_the_quick_profile_leaves_the_slow_rows_out() -> None:
    filled = {row for each in chosen("quick", []) for row in each.rows}
    assert {"throughput", "save-median", "recovery-rules"} <= filled
    assert filled.isdisjoint({"cold-start", "gate-full", "throughput-1000-organizations"})


def test_a_row_that_is_asked_for_is_measured_in_every_profile() -> None:
    assert [each.rows for each in chosen("quick", ["cold-start"])] == [("cold-start",)]
    assert chosen("quick", [goal.id for goal in GOALS]) == list(PLAN)


def test_a_bound_of_organizations_applies_to_every_size() -> None:
    few = EFFORTS["full"].with_at_most(20)
    assert {few.organizations, few.loaded, few.onboarded, few.restarted} == {20}
    assert few.flips == EFFORTS["full"].flips
    assert EFFORT.with_at_most(1000) == EFFORT


def test_a_failed_measurement_does_not_stop_the_others() -> None:
    kept: list[set[str]] = []
    measurements = [fills(throughput=1.0), fails("save-median", "save-p99"), fills(cold_start=3.0)]
    output = console()
    outcome = run(measurements, [], EFFORT, "auto", output, lambda measured: kept.append(set(measured)))
    assert outcome.failed == {"save-median": "the lab was too slow", "save-p99": "the lab was too slow"}
    # Values are kept before the next measurement begins.
    assert kept == [{"throughput"}, {"throughput", "cold-start"}]
    show(outcome, output)
    text = output.export_text()
    assert "save-p99 could not be measured" in text
    left_out = text.partition("Left out")[2]
    assert "late-packets" in left_out
    assert "save-p99," not in left_out


def test_only_the_rows_that_were_asked_for_are_kept() -> None:
    outcome = run([fills(recovery_rules=1.0, recovery_link=2.0)], ["recovery-link"], EFFORT, "auto", console())
    assert list(outcome.measured) == ["recovery-link"]
