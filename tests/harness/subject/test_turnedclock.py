"""Clocks that a scenario turns, and a process of the service that reads them."""

from __future__ import annotations

import os
from pathlib import Path

from harness.subject.turnedclock import TurnedClock


def test_a_turned_clock_is_seen_by_who_maps_the_file(tmp_path: Path) -> None:
    ours, theirs = TurnedClock(tmp_path / "clock"), TurnedClock(tmp_path / "clock")
    ours.set(-3600.0)
    ours.let_pass(240.0)
    assert theirs.offsets == ours.offsets == (-3360.0, 240.0)
    ours.turn_back()
    assert theirs.offsets == (0.0, 0.0)


def test_a_fork_goes_on_seeing_a_turned_clock(tmp_path: Path) -> None:
    clock = TurnedClock(tmp_path / "clock")
    (tmp_path / "clock").unlink()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(reading, 1)
        os._exit(0 if clock.offsets == (60.0, 0.0) else 1)
    clock.set(60.0)
    os.write(writing, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
