"""Runs as forks, each in a sandbox of its own."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from harness.events.feed import Feed
from harness.gate import forked_runs, gate, runs
from harness.gate.plugin import SCENARIO_NUMBER
from harness.gate.runs import RunOptions, Shared
from harness.sabotage.catalogue import BY_ID
from tests.waiting import wait_until

pytestmark = pytest.mark.long

BREAK = BY_ID["no-keepalive"]
OPTIONS = RunOptions(claim=BREAK.claim)


def forks() -> set[int]:
    """Returns the process ids of the running forks."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            words = (folder / "cmdline").read_text()
        except OSError:
            continue
        # A process in a sandbox below this one has a second id, in that sandbox.
        is_within = len(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()) > 2
        if is_within and "multiprocessing.forkserver" in words:
            found.add(int(folder.name))
    return found


def test_a_fork_finds_loaded_what_runs_it() -> None:
    wanted = {forked_runs.__name__, "netlab.launch", "harness.sabotage.loaded"}
    # Not a function of this module, which the fork would load, and with it all that it imports.
    process = multiprocessing.get_context("forkserver").Process(
        target=exec, args=(f"import sys; sys.exit(not {wanted} <= set(sys.modules))",)
    )
    process.start()
    process.join()
    assert process.exitcode == 0


def test_a_sabotage_is_noticed_and_no_process_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWG_LISTEN", "no address")
    finished = forked_runs.run(OPTIONS, BREAK)
    assert gate.judge_sabotage(BREAK, finished)[0], finished
    assert finished.hub_wireguard
    assert not forks()


def test_a_run_of_the_product_shares_scenarios_and_events(tmp_path: Path) -> None:
    told: list[str] = []
    folder = os.open(tmp_path, os.O_RDONLY)
    with runs.scenario_numbers() as numbers, Feed(lambda event, _: told.append(type(event).__name__)) as feed:
        shared = Shared(feed.descriptor, folder, numbers)
        finished = forked_runs.run_product(OPTIONS, shared, f"--scenario={BREAK.scenario}")
        # One for its scenario, and one that was too high.
        assert SCENARIO_NUMBER.unpack(os.read(numbers, SCENARIO_NUMBER.size)) == (2,)
    os.close(folder)
    assert [each.verdict for each in finished.outcomes] == ["proven"], finished
    assert "ScenarioEnded" in told
    assert not forks()


def test_a_run_past_its_deadline_is_ended_with_all_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runs.DEADLINES_S, "quick", 1.0)
    wrong_key = BY_ID["wrong-hub-key"]
    assert wrong_key.waits
    finished = forked_runs.run(RunOptions(claim=wrong_key.claim), wrong_key)
    assert (finished.outcomes, finished.complaint) == ((), "it was ended after 1 s")
    wait_until(lambda: not forks(), forks)


def test_a_run_without_a_service_gives_the_reason() -> None:
    finished = forked_runs.run(RunOptions(claim=BREAK.claim, wireguard="no-such-wireguard"), BREAK)
    assert "no-such-wireguard" in str(finished.outcomes[0].failure)
