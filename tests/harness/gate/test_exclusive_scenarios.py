"""Scenarios that run alone, and those that run beside each other."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness.gate import forked_runs, gate, plans
from harness.gate.gate import Concurrency
from harness.gate.plans import GatePlan
from harness.gate.results import ScenarioResult
from harness.gate.runs import RunOptions, RunResult, Shared
from harness.sabotage.entry import Sabotage
from tests.harness.gate.made_up_runs import LEAK, replace_runs, run_gate

TIMED = replace(LEAK, id="slow", scenario="test_nothing_takes_long", says="held up")


class CountedRuns:
    """Replaces runs: counts those at once, and gives `TIMED` and other scenarios their results.

    Args:
        together: number of runs that wait for each other, so that they surely overlap.
    """

    def __init__(self, together: int) -> None:
        self.at_once: dict[str, list[int]] = {}
        self._together = threading.Barrier(together)
        self._lock = threading.Lock()
        self._running = 0

    def run(self, options: RunOptions, *arguments: str, shared: Shared | None = None) -> RunResult:
        del options, shared
        skips, is_again = "--exclusive=skip" in arguments, f"--scenario={TIMED.scenario}" in arguments
        self._occupy("again" if is_again else "scenarios" if skips else "exclusive scenarios", waits=skips)
        timed = None if skips else ("proven", None) if is_again else ("refuted", "slow")
        return outcomes({LEAK.scenario: ("proven", None), TIMED.scenario: timed})

    def run_broken(self, options: RunOptions, sabotage: Sabotage, *arguments: str) -> RunResult:
        del options
        skips, is_timed = "--exclusive=skip" in arguments, sabotage.scenario == TIMED.scenario
        self._occupy("sabotages" if skips else "exclusive sabotages", waits=skips)
        left = skips and is_timed
        return outcomes({sabotage.scenario: None if left else ("refuted", sabotage.says)})

    def _occupy(self, what: str, *, waits: bool) -> None:
        with self._lock:
            self._running += 1
            self.at_once.setdefault(what, []).append(self._running)
        if waits:
            self._together.wait(60)
        with self._lock:
            self._running -= 1


def outcomes(verdicts: dict[str, tuple[str, str | None] | None]) -> RunResult:
    """Returns a run with a verdict and a failure for each scenario; None for one that was not run."""
    found = []
    for name, judged in verdicts.items():
        verdict, failure = judged or ("inconclusive", "not started")
        found.append(
            ScenarioResult(name, verdict, 1.0, {}, claim="no-egress", failure=failure, was_run=judged is not None)
        )
    return RunResult(tuple(found), "")


def test_an_exclusive_scenario_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = CountedRuns(together=4)
    replace_runs(monkeypatch, counted.run)
    monkeypatch.setattr(forked_runs, "run", counted.run_broken)
    monkeypatch.setattr(plans, "SABOTAGES", (TIMED, LEAK))
    monkeypatch.setattr(gate, "concurrency", lambda _: Concurrency(scenarios=2, runs=4))
    run = run_gate(GatePlan(RunOptions(profile="full")), tmp_path)
    pooled = counted.at_once.pop("scenarios") + counted.at_once.pop("sabotages")
    assert sorted(pooled) == [1, 2, 3, 4]
    assert counted.at_once == {"exclusive scenarios": [1], "exclusive sabotages": [1], "again": [1]}
    assert {each.name: each.verdict for each in run.scenarios} == {
        LEAK.scenario: "proven",
        TIMED.scenario: "refuted",
    }
    assert [(each.name, each.verdict) for each in run.again] == [(TIMED.scenario, "proven")]
    assert [(each.sabotage, each.caught) for each in run.sabotages] == [(TIMED, True), (LEAK, True)]
