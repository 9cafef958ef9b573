"""Gate: order and number of runs, repetitions of failed scenarios, stores, rounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.gate import forked_runs, gate, plans
from harness.gate.gate import Concurrency
from harness.gate.plans import GatePlan
from harness.gate.results import ScenarioResult
from harness.gate.runs import RunOptions, RunResult, Shared
from harness.sabotage.entry import Sabotage
from tests.harness.gate.made_up_runs import LEAK, replace_runs, result_with, run_gate


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, tuple[str, ...]]]:
    """Replaces runs: notes seed and arguments of each, and takes the next verdict of its seed from `VERDICTS`."""
    noted: list[tuple[int, tuple[str, ...]]] = []

    def run(options: RunOptions, *arguments: str, shared: Shared | None = None) -> RunResult:
        noted.append((options.seed, (*(shared.arguments if shared else ()), *arguments)))
        verdict = VERDICTS[options.seed].pop(0)
        (outcome,) = result_with(verdict, None if verdict == "proven" else "it failed").outcomes
        return RunResult((msgspec.structs.replace(outcome, seed=options.seed),), "")

    def run_broken(options: RunOptions, sabotage: Sabotage, *arguments: str) -> RunResult:
        del arguments
        noted.append((options.seed, (f"--sabotage={sabotage.id}",)))
        return result_with("proven", None)

    replace_runs(monkeypatch, run)
    monkeypatch.setattr(forked_runs, "run", run_broken)
    monkeypatch.setattr(plans, "SABOTAGES", (LEAK,))
    monkeypatch.setattr(gate, "concurrency", lambda _: Concurrency(1, 1))
    return noted


VERDICTS: dict[int, list[str]] = {}


def gated(tmp_path: Path, plan: GatePlan, verdicts: dict[int, list[str]]) -> gate.GateRun:
    VERDICTS.clear()
    VERDICTS.update(verdicts)
    return run_gate(plan, tmp_path)


def test_waiting_sabotages_start_first_and_keep_their_place(
    made_up: list[tuple[int, tuple[str, ...]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks = tuple(replace(LEAK, id=name, waits=name in "bc") for name in "abcd")
    monkeypatch.setattr(plans, "SABOTAGES", breaks)
    run = gated(tmp_path, GatePlan(RunOptions(), sabotages_only=True), {})
    assert [arguments[0] for _, arguments in made_up] == [f"--sabotage={name}" for name in "cbda"]
    assert [each.sabotage.id for each in run.sabotages] == list("abcd")


def is_scenarios(arguments: tuple[str, ...]) -> bool:
    return any(each.startswith("--numbers") for each in arguments)


def test_a_failed_scenario_is_run_again_alone_with_the_same_seed(
    made_up: list[tuple[int, tuple[str, ...]]], tmp_path: Path
) -> None:
    run = gated(tmp_path, GatePlan(RunOptions(seed=3)), {3: ["refuted", "proven"]})
    assert [each.verdict for each in run.scenarios] == ["refuted"]
    assert [each.verdict for each in run.again] == ["proven"]
    assert made_up[-1] == (3, ("--scenario=test_nothing_gets_out",))


def test_runs_beside_each_other_have_both_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = noted_options(tmp_path, monkeypatch, GatePlan(RunOptions(seed=3)))
    assert {each.store for each in options} == {"SQLite", "PostgreSQL"}


def test_a_store_that_an_option_names_is_every_run_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = noted_options(tmp_path, monkeypatch, GatePlan(RunOptions(seed=3, store="PostgreSQL")))
    assert [each.store for each in options] == ["PostgreSQL"] * len(options)


def test_a_failed_scenario_runs_again_with_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = result_with("refuted", "it failed").outcomes[0]
    for store in ("SQLite", "PostgreSQL"):
        again = msgspec.structs.replace(failed, store=store)
        assert noted_options(tmp_path, monkeypatch, GatePlan(RunOptions()), again)[-1].store == store


def noted_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: GatePlan, outcome: ScenarioResult | None = None
) -> list[RunOptions]:
    """Runs a gate of two runs beside each other, each with this outcome; returns the options of all runs."""
    noted: list[RunOptions] = []
    result = outcome or result_with("proven", None).outcomes[0]

    def run(options: RunOptions, *arguments: str, shared: Shared | None = None) -> RunResult:
        del arguments, shared
        noted.append(options)
        return RunResult((result,), "")

    replace_runs(monkeypatch, run)
    monkeypatch.setattr(plans, "SABOTAGES", ())
    monkeypatch.setattr(gate, "concurrency", lambda _: Concurrency(2, 2))
    run_gate(plan, tmp_path)
    return noted


def test_a_sabotage_s_result_names_what_was_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, stores = {"outside": "IPv6"}, set()
    outcome = msgspec.structs.replace(result_with("refuted", "packets got out").outcomes[0], conditions=drawn)

    def run_broken(options: RunOptions, sabotage: Sabotage, *arguments: str) -> RunResult:
        del sabotage, arguments
        stores.add(options.store)
        return RunResult((outcome,), "")

    monkeypatch.setattr(forked_runs, "run", run_broken)
    monkeypatch.setattr(plans, "SABOTAGES", [replace(LEAK, id=f"leak-{number}") for number in range(20)])
    run = run_gate(GatePlan(RunOptions(), sabotages_only=True), tmp_path)
    assert [(each.caught, each.conditions) for each in run.sabotages] == [(True, drawn)] * 20
    assert stores == {"SQLite", "PostgreSQL"}


def test_without_exclusive_scenarios_there_is_no_further_run(
    made_up: list[tuple[int, tuple[str, ...]]], tmp_path: Path
) -> None:
    gated(tmp_path, GatePlan(RunOptions(seed=3)), {3: ["proven"]})
    assert {"--exclusive=only" in arguments for _, arguments in made_up} == {False}


def test_a_proven_scenario_is_not_run_again(made_up: list[tuple[int, tuple[str, ...]]], tmp_path: Path) -> None:
    run = gated(tmp_path, GatePlan(RunOptions(seed=3)), {3: ["proven"]})
    assert (run.again, run.rounds) == ((), 1)
    assert len(made_up) == 2


def test_a_soak_goes_on_with_other_seeds_until_a_round_fails(
    made_up: list[tuple[int, tuple[str, ...]]], tmp_path: Path
) -> None:
    verdicts = {3: ["proven"], 4: ["proven"], 5: ["refuted", "refuted"]}
    run = gated(tmp_path, GatePlan(RunOptions(seed=3), minutes=60), verdicts)
    assert run.rounds == 3
    assert [(each.verdict, each.seed) for each in run.scenarios] == [("refuted", 5)]
    assert [seed for seed, arguments in made_up if is_scenarios(arguments)] == [3, 4, 5]
    assert sum(arguments[0].startswith("--sabotage") for _, arguments in made_up) == 1


def test_a_soak_ends_when_its_time_is_over(made_up: list[tuple[int, tuple[str, ...]]], tmp_path: Path) -> None:
    assert gated(tmp_path, GatePlan(RunOptions(seed=3), minutes=0), {3: ["proven"]}).rounds == 1
    assert [seed for seed, arguments in made_up if is_scenarios(arguments)] == [3]


def test_the_sabotages_can_be_run_alone(made_up: list[tuple[int, tuple[str, ...]]], tmp_path: Path) -> None:
    run = gated(tmp_path, GatePlan(RunOptions(seed=3), sabotages_only=True), {})
    assert (run.scenarios, len(run.sabotages)) == ((), 1)
    assert [arguments[0] for _, arguments in made_up] == ["--sabotage=leak"]


@pytest.mark.parametrize(
    ("plan", "has_it"),
    [
        (GatePlan(RunOptions(profile="full")), True),
        (GatePlan(RunOptions(profile="quick")), False),
        (GatePlan(RunOptions(profile="full"), minutes=60), False),
        (GatePlan(RunOptions(profile="full"), sabotages_only=True), False),
        (GatePlan(RunOptions(claim="one-hub", profile="full")), False),
    ],
)
def test_a_full_round_of_everything_checks_the_api_s_contract(plan: GatePlan, has_it: bool) -> None:
    assert plan.is_full is has_it
