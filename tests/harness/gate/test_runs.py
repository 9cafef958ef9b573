"""Runs of scenarios: environment, arguments, output, and how many there are at once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.gate import runs
from harness.gate.gate import Concurrency, concurrency
from harness.gate.plugin import SCENARIO_NUMBER
from harness.gate.runs import RunOptions, RunResult
from harness.subject.live import Live, Shell
from harness.subject.outward import Outward
from harness.world.damage import Detection


def test_settings_of_service_and_pytest_reach_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MESHWG_LISTEN", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONOPTIMIZE"):
        monkeypatch.setenv(name, "-k test_x")
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
    assert {each for each in runs.environment() if each.startswith(("MESHWG_", "PYTEST_", "PYTHONO"))} == own


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


def test_a_run_is_told_the_conditions_that_options_fix() -> None:
    fixed = runs.pytest_arguments(
        RunOptions(outside="IPv6", loss="none", reorder="none", store="SQLite"), Path("results")
    )
    assert {"--outside=IPv6", "--loss=none", "--reorder=none", "--store=SQLite"} <= set(fixed)
    drawn = runs.pytest_arguments(RunOptions(), Path("results"))
    assert not [each for each in drawn if each.startswith(("--outside", "--loss", "--reorder", "--store"))]
