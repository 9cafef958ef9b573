"""A process that waits for something learns that it is asked to end, and of nothing that nobody asked for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli.endings import ENDING, is_asked_to_end
from tests.waiting import wait_until

_LOOK_S = 0.05


def looks(count: Path) -> None:
    """Counts looks in a file until the process is asked to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    number = 0
    while not is_asked_to_end(_LOOK_S):
        number += 1
        count.write_text(str(number))
    os._exit(0)


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Provides a process that waits, and the file with the number of its looks."""
    count = tmp_path / "count"
    count.write_text("0")
    pid = os.fork()
    if pid == 0:
        try:
            looks(count)
        finally:
            os._exit(1)
    yield pid, count
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def number(count: Path) -> int:
    """Reads how often a process has looked; it may be about to write."""
    return int(count.read_text() or "0")


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def look_on(pid: int, count: Path) -> None:
    """Waits until the process has looked twice more, and checks that it goes on."""
    before = number(count)
    wait_until(lambda: has_ended(pid) or number(count) > before + 1)
    assert not has_ended(pid)


def test_a_process_that_was_stopped_goes_on_waiting(waiting: tuple[int, Path]) -> None:
    pid, count = waiting
    for _ in range(3):
        look_on(pid, count)
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: is_stopped(pid))
        # For longer than it waits at once.
        time.sleep(3 * _LOOK_S)
        os.kill(pid, signal.SIGCONT)
    look_on(pid, count)


@pytest.mark.parametrize("asked", sorted(ENDING))
def test_a_process_that_waits_ends_when_asked(waiting: tuple[int, Path], asked: signal.Signals) -> None:
    pid, count = waiting
    wait_until(lambda: number(count) > 0)
    os.kill(pid, asked)
    wait_until(lambda: has_ended(pid))
