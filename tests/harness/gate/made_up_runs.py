"""A sabotage, results of runs that were never made, and gates that get them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from harness.events.feed import Feed
from harness.gate import forked_runs, gate, runs
from harness.gate.gate import GateRun
from harness.gate.plans import GatePlan
from harness.gate.results import ScenarioResult
from harness.gate.runs import RunResult
from harness.sabotage.entry import Sabotage

LEAK = Sabotage("leak", "no-egress", "there is a leak", "egress:leak", "test_nothing_gets_out", "packets got out")


def result_with(verdict: str, failure: str | None) -> RunResult:
    """Returns a run of one scenario."""
    result = ScenarioResult("test_nothing_gets_out", verdict, 1.0, {}, claim="no-egress", failure=failure)
    return RunResult((result,), "")


def replace_runs(monkeypatch: pytest.MonkeyPatch, run: Callable[..., RunResult]) -> None:
    """Replaces runs of scenarios, both programs and forks."""
    monkeypatch.setattr(runs, "run", run)
    monkeypatch.setattr(forked_runs, "run_product", lambda options, shared, *more: run(options, *more, shared=shared))


def run_gate(plan: GatePlan, folder: Path) -> GateRun:
    """Runs a gate that prints nothing; its evidence goes into the folder."""
    with Feed() as feed:
        return gate.run(plan, folder, Console(file=io.StringIO()), feed)
