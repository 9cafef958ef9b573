"""Which rows a run of `bench` fills, and what becomes of the others when one can't be measured."""

from __future__ import annotations

from collections import Counter

from rich.console import Console

from harness.bench.goals import GOALS, Measured
from harness.bench.plan import EFFORTS, PLAN, Step, chosen
from harness.bench.run import run, show
from harness.judging.verdicts import Inconclusive

EFFORT = EFFORTS["quick"]


def console() -> Console:
    """One whose words can be read back."""
    return Console(record=True, quiet=False, width=200, file=None)


def fills(**values: float) -> Step:
    """A measurement that comes to these values."""
    found = {row.replace("_", "-"): Measured(value) for row, value in values.items()}
    return Step(tuple(found), lambda *_: found)


def fails(*rows: str) -> Step:
    """A measurement that can't be done."""

    def measure(*_: object) -> dict[str, Measured]:
        raise Inconclusive("the lab was too slow")

    return Step(rows, measure)


def test_the_full_profile_fills_every_row_exactly_once() -> None:
    filled = Counter(row for each in chosen("full", []) for row in each.rows)
    assert filled == Counter(target.id for target in GOALS)


def test_the_quick_profile_leaves_the_slow_rows_out() -> None:
    filled = {row for each in chosen("quick", []) for row in each.rows}
    assert {"throughput", "save-median", "recovery-rules"} <= filled
    assert filled.isdisjoint({"cold-start", "gate-full", "throughput-1000-organizations"})


def test_a_row_that_is_asked_for_is_measured_in_every_profile() -> None:
    assert [each.rows for each in chosen("quick", ["cold-start"])] == [("cold-start",)]
    assert chosen("quick", [target.id for target in GOALS]) == list(PLAN)


def test_fewer_organizations_are_fewer_wherever_there_are_many() -> None:
    few = EFFORTS["full"].with_at_most(20)
    assert {few.organizations, few.loaded, few.onboarded, few.restarted} == {20}
    assert few.flips == EFFORTS["full"].flips
    assert EFFORT.with_at_most(1000) == EFFORT


def test_what_fails_keeps_nothing_else_from_being_measured() -> None:
    kept: list[set[str]] = []
    measurements = [fills(throughput=1.0), fails("save-median", "save-p99"), fills(cold_start=3.0)]
    said = console()
    outcome = run(measurements, [], EFFORT, "auto", said, lambda measured: kept.append(set(measured)))
    assert outcome.failed == {"save-median": "the lab was too slow", "save-p99": "the lab was too slow"}
    # What was measured is safe before the next one begins.
    assert kept == [{"throughput"}, {"throughput", "cold-start"}]
    show(outcome, said)
    text = said.export_text()
    assert "save-p99 could not be measured" in text
    left_out = text.partition("Left out")[2]
    assert "late-packets" in left_out
    assert "save-p99," not in left_out


def test_only_the_rows_that_were_asked_for_are_kept() -> None:
    outcome = run([fills(recovery_rules=1.0, recovery_link=2.0)], ["recovery-link"], EFFORT, "auto", console())
    assert list(outcome.measured) == ["recovery-link"]
