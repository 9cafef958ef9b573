"""Gate: judgement of sabotages, order and number of runs, rounds."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness.events.feed import Feed
from harness.gate import forked_runs, gate, plans, runs
from harness.gate.gate import Concurrency, concurrency, judge_sabotage
from harness.gate.plans import GatePlan
from harness.gate.plugin import SCENARIO_NUMBER
from harness.gate.results import ScenarioResult
from harness.gate.runs import RunOptions, RunResult, Shared
from harness.sabotage.entry import Sabotage
from harness.subject.live import Live, Shell
from harness.subject.outward import Outward
from harness.world.damage import Detection

LEAK = Sabotage("leak", "no-egress", "there is a leak", "egress:leak", "test_nothing_gets_out", "packets got out")


def result_with(verdict: str, failure: str | None) -> RunResult:
    """Returns a run of one scenario."""
    result = ScenarioResult("test_nothing_gets_out", verdict, 1.0, {}, claim="no-egress", failure=failure)
    return RunResult((result,), "")


def test_a_refutation_with_the_words_of_the_sabotage_counts() -> None:
    assert judge_sabotage(LEAK, result_with("refuted", "3 packets got out (a, b, c)")) == (
        True,
        "test_nothing_gets_out: 3 packets got out (a, b, c)",
    )


@pytest.mark.parametrize(
    ("verdict", "failure"),
    [
        ("refuted", "mumbai completed no handshake with the hub in 6 s"),
        ("inconclusive", "control failed: 3 packets got out"),
        ("proven", None),
    ],
)
def test_any_other_failure_does_not_count(verdict: str, failure: str | None) -> None:
    caught, noticed = judge_sabotage(LEAK, result_with(verdict, failure))
    assert not caught
    assert verdict in noticed
    assert failure is None or failure in noticed


@pytest.mark.parametrize(
    ("failure", "caught"),
    [
        ("3 packets got out: to a host", True),
        ("3 packets got out: to a router", True),
        ("3 packets got out: in the hub's log", False),
        ("a host was not reached", False),
    ],
)
def test_of_further_words_of_a_sabotage_one_is_needed(failure: str, caught: bool) -> None:
    either = replace(LEAK, one_of=("to a host", "to a router"))
    assert judge_sabotage(either, result_with("refuted", failure))[0] is caught


def test_settings_of_service_and_pytest_reach_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MESHWG_LISTEN", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONOPTIMIZE"):
        monkeypatch.setenv(name, "-k test_x")
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
    assert {each for each in runs.environment() if each.startswith(("MESHWG_", "PYTEST_", "PYTHONO"))} == own


def test_a_run_without_scenarios_gives_the_reason() -> None:
    assert judge_sabotage(LEAK, RunResult((), "ImportError: no module")) == (
        False,
        "no scenario ran: ImportError: no module",
    )


def test_an_excerpt_begins_at_a_crash_or_is_the_output_s_end() -> None:
    printed = "." * 5000 + "Fatal Python error: Segmentation fault\n\nCurrent thread\n" + "  File x\n" * 1000
    assert RunResult((), printed).excerpt.startswith("Fatal Python error: Segmentation fault\n\nCurrent thread\n")
    assert RunResult((), "." * 5000 + "ImportError: no module").excerpt.endswith("ImportError: no module")


def test_numbers_are_drawn_in_order_until_none_is_left() -> None:
    with runs.scenario_numbers() as descriptor:
        drawn = [os.read(descriptor, SCENARIO_NUMBER.size) for _ in range(3)]
        assert [SCENARIO_NUMBER.unpack(each)[0] for each in drawn] == [0, 1, 2]
        while os.read(descriptor, 4096):
            pass


def test_a_slow_machine_gets_more_time_and_fewer_runs_at_once() -> None:
    usual, slow = RunOptions(profile="full"), RunOptions(profile="full", patience=10)
    assert slow.deadline_s == 10 * usual.deadline_s
    for each in (Detection.SWEEP, Detection.RESTART):
        assert each.within_s(slow.patience) == 10 * each.within_s(usual.patience)
    assert Detection.EVENT.within_s(slow.patience) == Detection.EVENT.within_s(usual.patience)
    assert concurrency(usual, cores=2) == Concurrency(scenarios=2, runs=4)
    assert concurrency(slow, cores=2) == Concurrency(scenarios=1, runs=2)
    assert concurrency(slow, cores=1) == Concurrency(scenarios=1, runs=1)
    assert concurrency(usual, cores=16).scenarios == 4


def test_runs_that_damage_the_same_service_run_one_at_a_time() -> None:
    live = Live("https://vpn.example.net", Outward(3))
    assert concurrency(RunOptions(live=live), cores=2).scenarios == 2
    with_shell = replace(live, ssh=Shell("root@vpn.example.net", known_hosts=4))
    assert concurrency(RunOptions(live=with_shell), cores=2) == Concurrency(1, 1)


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


def replace_runs(monkeypatch: pytest.MonkeyPatch, run: Callable[..., RunResult]) -> None:
    """Replaces runs of scenarios, both programs and forks."""
    monkeypatch.setattr(runs, "run", run)
    monkeypatch.setattr(forked_runs, "run_product", lambda options, shared, *more: run(options, *more, shared=shared))


VERDICTS: dict[int, list[str]] = {}


def gated(tmp_path: Path, plan: GatePlan, verdicts: dict[int, list[str]]) -> gate.GateRun:
    VERDICTS.clear()
    VERDICTS.update(verdicts)
    with Feed() as feed:
        return gate.run(plan, tmp_path, Console(file=io.StringIO()), feed)


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


def test_a_run_is_told_the_conditions_that_options_fix() -> None:
    fixed = runs.pytest_arguments(
        RunOptions(outside="IPv6", loss="none", reorder="none", store="SQLite"), Path("results")
    )
    assert {"--outside=IPv6", "--loss=none", "--reorder=none", "--store=SQLite"} <= set(fixed)
    drawn = runs.pytest_arguments(RunOptions(), Path("results"))
    assert not [each for each in drawn if each.startswith(("--outside", "--loss", "--reorder", "--store"))]


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
    with Feed() as feed:
        gate.run(plan, tmp_path, Console(file=io.StringIO()), feed)
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
    with Feed() as feed:
        run = gate.run(GatePlan(RunOptions(), sabotages_only=True), tmp_path, Console(file=io.StringIO()), feed)
    assert [(each.caught, each.conditions) for each in run.sabotages] == [(True, drawn)] * 20
    assert stores == {"SQLite", "PostgreSQL"}


class Machine:
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


TIMED = replace(LEAK, id="slow", scenario="test_nothing_takes_long", says="held up")


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
    machine = Machine(together=4)
    replace_runs(monkeypatch, machine.run)
    monkeypatch.setattr(forked_runs, "run", machine.run_broken)
    monkeypatch.setattr(plans, "SABOTAGES", (TIMED, LEAK))
    monkeypatch.setattr(gate, "concurrency", lambda _: Concurrency(scenarios=2, runs=4))
    with Feed() as feed:
        run = gate.run(GatePlan(RunOptions(profile="full")), tmp_path, Console(file=io.StringIO()), feed)
    pooled = machine.at_once.pop("scenarios") + machine.at_once.pop("sabotages")
    assert sorted(pooled) == [1, 2, 3, 4]
    assert machine.at_once == {"exclusive scenarios": [1], "exclusive sabotages": [1], "again": [1]}
    assert {each.name: each.verdict for each in run.scenarios} == {
        LEAK.scenario: "proven",
        TIMED.scenario: "refuted",
    }
    assert [(each.name, each.verdict) for each in run.again] == [(TIMED.scenario, "proven")]
    assert [(each.sabotage, each.caught) for each in run.sabotages] == [(TIMED, True), (LEAK, True)]


def test_without_exclusive_scenarios_there_is_no_further_run(
    made_up: list[tuple[int, tuple[str, ...]]], tmp_path: Path
) -> None:
    gated(tmp_path, GatePlan(RunOptions(seed=3)), {3: ["proven"]})
    assert not any("--exclusive=only" in arguments for _, arguments in made_up)


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
