"""A first answered change and the outcome of a command are on the disk, with the folders that they are in."""

from __future__ import annotations

import os
import signal
import subprocess
from itertools import chain
from pathlib import Path

import pytest

import netlab
from appliance.cli.settings import SECRET_FILE_VARIABLE
from harness.subject.disk import Disk
from harness.subject.syncs import watched
from tests.appliance.cli.started import Run, answer, children, log_in, run_program, sign_up, start, start_program
from tests.waiting import DEADLINE

pytestmark = pytest.mark.long


def kill_all(run: Run) -> None:
    """Kills the service's processes, and waits for the end of each, as its successor needs their addresses."""
    # The supervisor first, which would start the others again.
    os.kill(run.process.pid, signal.SIGSTOP)
    commands = children(run.process.pid).values()
    workers = [Path(f"/proc/{pid}/task/{pid}/children").read_text().split() for pid in commands]
    netlab.kill([run.process.pid, *commands, *map(int, chain.from_iterable(workers))], DEADLINE)
    run.stop()


def test_a_first_answered_change_outlasts_a_power_cut(data: Path, runs: list[Run]) -> None:
    disk, folder = Disk(data.parent), data / "new" / "below"
    run = watched(lambda: start_program(runs, folder), disk.on_sync)
    run.wait_until_ready()
    organization, _ = sign_up("acme")
    kill_all(run)
    disk.cut()
    again = start(runs, folder, **{SECRET_FILE_VARIABLE: f"{folder}.unlock-secret"})
    again.wait_until_ready()
    assert log_in("acme")[0] == organization
    assert again.stop() == 0


def test_the_outcome_of_a_command_outlasts_a_power_cut(data: Path, runs: list[Run]) -> None:
    secret, new_secret, file = data.with_name("data.unlock-secret"), data.with_name("new"), data.with_name("backup")
    run = start(runs, data)
    run.wait_until_ready()
    organization, _ = sign_up("acme")
    assert run.stop() == 0
    disk = Disk(data.parent)

    def outlasts(folder: Path, *command: str) -> None:
        def call() -> subprocess.CompletedProcess[str]:
            return run_program(folder, *command, **{SECRET_FILE_VARIABLE: str(secret)})

        done = watched(call, disk.on_sync)
        assert done.returncode == 0, done.stderr
        disk.cut()
        assert [each["id"] for each in answer(folder, "census")["organizations"]] == [organization]

    outlasts(data, "backup", str(file))
    outlasts(data.parent / "other" / "restored", "restore", str(file), "--yes")
    outlasts(data, "rotate-unlock-secret", f"--new-secret-file={new_secret}")
    secret = new_secret
    outlasts(data, "backup", str(file), "--force")
