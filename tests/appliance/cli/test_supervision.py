"""Processes that die are started again, and those that die at once wait longer each time."""

from __future__ import annotations

import sys
import time
from itertools import pairwise

import pytest

from appliance.cli import supervision
from appliance.cli.supervision import Child

_LOOKS = 0.002


def test_who_dies_at_once_waits_longer_with_each_death_not_with_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "PROGRAM", (sys.executable, "-S", "-c", ""))
    child = Child("hub", {}, lambda: True)
    starts: list[float] = []
    spawn = Child._spawn

    def noted(self: Child) -> object:
        starts.append(time.monotonic())
        return spawn(self)

    monkeypatch.setattr(Child, "_spawn", noted)
    child.start(10.0)
    deadline = time.monotonic() + 20.0
    while len(starts) < 4 and time.monotonic() < deadline:
        child.revive()
        time.sleep(_LOOKS)
    child.stop()
    pauses = [later - sooner for sooner, later in pairwise(starts)]
    # 0.4, 0.8 and 1.6 s: twice as long each time, and no longer than that but for a busy machine.
    assert len(pauses) == 3
    assert pauses[0] < pauses[1] < pauses[2] < supervision._LONGEST_PAUSE / 2
