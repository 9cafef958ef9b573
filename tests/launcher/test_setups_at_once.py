"""Runs of ``./meshwg setup`` beside each other, and those that are broken off."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import Signals as Signal

import pytest

from tests.launcher.expected import RUN_PACKAGES, TEST_PACKAGES
from tests.launcher.host import Host


@contextmanager
def signal(folder: Path, name: str) -> Iterator[tuple[str, int]]:
    """Makes a FIFO, and opens this end of it."""
    fifo = folder / name
    os.mkfifo(fifo)
    opened = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield str(fifo), opened
    finally:
        os.close(opened)


def wait_for(opened: int) -> None:
    """Waits until something was written to this FIFO."""
    assert select.select([opened], [], [], 60)[0], "it never came that far"


def test_only_one_of_two_simultaneous_runs_installs(host: Host) -> None:
    host.has_packages(*RUN_PACKAGES, *TEST_PACKAGES)
    with (
        signal(host.root, "at-pip") as (at_pip, first_installs),
        signal(host.root, "go-on") as (go_on, release),
        signal(host.root, "at-flock") as (at_flock, second_waits),
    ):
        first = host.start("setup", AT_PIP=at_pip, PIP_WAITS_FOR=go_on)
        try:
            wait_for(first_installs)
            second = host.start("up", AT_FLOCK=at_flock)
            try:
                wait_for(second_waits)
                # Once for each call of pip that the first makes.
                os.write(release, b"go\ngo\n")
                done = first.finish()
                other = second.finish()
            finally:
                second.process.kill()
        finally:
            first.process.kill()
    assert (done.code, other.code) == (0, 0)
    assert [call.what for call in done.calls] == ["venv", "pip", "pip"]
    assert [call.what for call in other.calls] == ["meshwg"]
    assert [line for line in other.said if "installing" in line] == []


@pytest.mark.parametrize("number", [Signal.SIGKILL, Signal.SIGINT, Signal.SIGTERM])
def test_an_interrupted_environment_is_made_again(host: Host, number: Signal) -> None:
    host.has_packages(*RUN_PACKAGES, *TEST_PACKAGES)
    with signal(host.root, "at-pip") as (at_pip, installs), signal(host.root, "never") as (never, _):
        running = host.start("setup", AT_PIP=at_pip, PIP_WAITS_FOR=never)
        try:
            wait_for(installs)
            # As a terminal's Ctrl-C, to all that runs.
            os.killpg(running.process.pid, number)
            assert running.finish().code != 0
        finally:
            running.process.kill()
    (host.venv / "half").touch()
    done = host.run("setup")
    assert (done.code, [call.what for call in done.calls]) == (0, ["venv", "pip", "pip"])
    assert not (host.venv / "half").exists()
    assert host.run("setup").calls == []
    if number != Signal.SIGKILL:
        assert list(host.temporary.iterdir()) == []
