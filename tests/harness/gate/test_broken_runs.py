"""Runs against a sabotaged service, each a fork in a sandbox of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.gate import broken_runs, gate, runs
from harness.gate.runs import RunOptions
from harness.sabotage.catalogue import BY_ID
from tests.waiting import wait_until

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


def test_a_sabotage_is_noticed_and_no_process_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWG_LISTEN", "no address")
    finished = broken_runs.run(OPTIONS, BREAK)
    assert gate.judge_sabotage(BREAK, finished)[0], finished
    assert finished.hub_wireguard
    assert not forks()


def test_a_run_past_its_deadline_is_ended_with_all_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runs.DEADLINES_S, "quick", 1.0)
    wrong_key = BY_ID["wrong-hub-key"]
    assert wrong_key.waits
    finished = broken_runs.run(RunOptions(claim=wrong_key.claim), wrong_key)
    assert (finished.outcomes, finished.complaint) == ((), "It was ended after 1 s.")
    wait_until(lambda: not forks(), forks)


def test_a_run_without_a_service_gives_the_reason() -> None:
    finished = broken_runs.run(RunOptions(claim=BREAK.claim, wireguard="no-such-wireguard"), BREAK)
    assert "no-such-wireguard" in str(finished.outcomes[0].failure)
