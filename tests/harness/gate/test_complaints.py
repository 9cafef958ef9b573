"""Complaints of pytest beside its scenarios, which make the gate fail whatever these say."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from harness.cli.commands.gate import with_contract
from harness.cli.stages import StageResult
from harness.gate import forked_runs, gate, plans, runs, transcripts
from harness.gate.gate import Concurrency
from harness.gate.plans import GatePlan
from harness.gate.results import Results, ScenarioResult
from harness.gate.runs import RunOptions, RunResult
from tests.harness.gate.made_up_runs import LEAK, run_gate

PROVEN = ScenarioResult(LEAK.scenario, "proven", 1.0, {}, claim=LEAK.claim)
LEFT = msgspec.structs.replace(PROVEN, name="test_x", verdict="inconclusive", was_run=False)
REFUTED = msgspec.structs.replace(PROVEN, verdict="refuted", failure=LEAK.says)


def result(status: int, *scenarios: ScenarioResult) -> RunResult:
    file = io.BytesIO(msgspec.json.encode(Results(list(scenarios))))
    return runs.result_of(status, "INTERNALERROR> /root/x.py\n", file)


@pytest.mark.parametrize(
    ("status", "scenarios", "problem"),
    [
        (0, [PROVEN, LEFT], ""),
        (1, [REFUTED, PROVEN], ""),
        (1, [PROVEN, LEFT], "pytest ended with status 1: a test failed, though each scenario is proven"),
        (2, [PROVEN], "pytest ended with status 2: it was interrupted, or could not collect the scenarios"),
        (3, [PROVEN], "pytest ended with status 3: an error of its own"),
        (4, [], "pytest ended with status 4: it was called in a wrong way"),
        (5, [], "pytest ended with status 5: it found no scenario"),
        (-11, [REFUTED], "pytest ended with status -11"),
    ],
)
def test_a_status_that_no_scenario_explains_is_told(status: int, scenarios: list[ScenarioResult], problem: str) -> None:
    found = result(status, *scenarios)
    assert found.problem == problem
    assert found.complaint == (f"{problem}\nINTERNALERROR> /root/x.py\n" if problem else "")


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replaces runs by ones that prove their scenario, and end with the next of these statuses."""
    left: list[int] = []
    monkeypatch.setattr(forked_runs, "run_product", lambda *_: result(left.pop(0), PROVEN))
    monkeypatch.setattr(forked_runs, "run", lambda *_: result(1, REFUTED))
    monkeypatch.setattr(plans, "SABOTAGES", (LEAK,))
    monkeypatch.setattr(gate, "concurrency", lambda _: Concurrency(1, 1))
    return left


def gated(tmp_path: Path, minutes: float | None = None) -> gate.GateRun:
    plan = GatePlan(RunOptions(claim=LEAK.claim, profile="full"), minutes=minutes)
    return run_gate(plan, tmp_path)


@pytest.mark.parametrize(("status", "verdict"), [(0, "pass"), (1, "fail"), (2, "fail"), (3, "fail"), (5, "fail")])
def test_a_run_that_goes_wrong_fails_the_gate(tmp_path: Path, statuses: list[int], status: int, verdict: str) -> None:
    statuses.append(status)
    run = gated(tmp_path)
    assert [each.verdict for each in run.scenarios] == ["proven"]
    assert transcripts.transcript_of(run).verdict == verdict
    assert len(run.problems) == (verdict == "fail")
    assert all(
        each.startswith(f"A run of scenarios went wrong: pytest ended with status {status}") for each in run.problems
    )


def test_a_soak_ends_with_a_round_that_goes_wrong(tmp_path: Path, statuses: list[int]) -> None:
    statuses += [0, 3]
    run = gated(tmp_path, minutes=60)
    assert run.rounds == 2
    assert len(run.problems) == 1


def test_the_contract_hides_no_run_that_went_wrong(tmp_path: Path, statuses: list[int]) -> None:
    statuses.append(3)
    run = gated(tmp_path)
    for contract in (StageResult("contract", 9, 0, 1.0), StageResult("contract", 0, 1, 1.0)):
        assert with_contract(run, contract).problems[:1] == run.problems
