"""Ends of a supervisor's processes: it tells of those that nobody asked for, that fail, and that take too long."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from appliance.cli import child as children
from appliance.cli import launching, running
from appliance.cli.child import Child, NotStarted
from appliance.hub.errors import HubError
from appliance.hub.rpc.client import HubClient
from tests.appliance.cli.started import is_dead
from tests.waiting import DEADLINE, wait_until

# Does as its second argument says when it is asked to end, and is ready once the file of the first one exists.
_ASKED = """
import os, signal, sys
def end(*_):
    exec(sys.argv[2])
signal.signal(signal.SIGTERM, end)
open(sys.argv[1], "w").close()
while True:
    signal.pause()
"""
_DEAD, _LASTS = "the hub process was killed", "the hub process does not end and is killed"


@pytest.mark.parametrize(
    ("ending", "may_end", "level", "event"),
    [
        ("raise SystemExit(1)", False, "error", "the hub process ended and is started again"),
        ("raise SystemExit(0)", False, "error", "the hub process ended and is started again"),
        ("import os; os.kill(os.getpid(), 6)", False, "error", "the hub process ended and is started again"),
        ("import os; os.kill(os.getpid(), 9)", False, "error", "the hub process was killed and is started again"),
        ("raise SystemExit(0)", True, "info", "a process has done its work and is started again"),
        ("raise SystemExit(1)", True, "error", "the hub process ended and is started again"),
    ],
)
def test_a_process_that_ends_by_itself_is_an_error(
    monkeypatch: pytest.MonkeyPatch, ending: str, event: str, level: str, *, may_end: bool
) -> None:
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-S", "-c", ending))
    child = Child("hub", {}, lambda: True, may_end=may_end)
    child.start(DEADLINE)
    wait_until(partial(is_dead, child))
    with capture_logs() as logged:
        child.revive(at_once=True)
    child.stop()
    assert [(each["log_level"], each["event"]) for each in logged] == [(level, event)]


@pytest.mark.parametrize(
    ("asked", "event"),
    [
        ("os._exit(0)", None),
        ("os._exit(1)", "the hub process failed at its end"),
        ("os.kill(os.getpid(), 11)", "the hub process failed at its end"),
        ("pass", _LASTS),
    ],
)
def test_a_bad_end_of_a_stopped_process_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, event: str | None
) -> None:
    if event == _LASTS:
        monkeypatch.setattr(children, "GRACE_S", 0.1)
    ready = tmp_path / "ready"
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-S", "-c", _ASKED, str(ready), asked))
    child = Child("hub", {}, ready.exists)
    child.start(DEADLINE)
    with capture_logs() as logged:
        child.stop()
    assert [(each["log_level"], each["event"]) for each in logged] == ([] if event is None else [("error", event)])


def test_a_death_just_before_the_stop_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-S", "-c", "import os; os.kill(os.getpid(), 9)"))
    child = Child("hub", {}, lambda: True)
    child.start(DEADLINE)
    wait_until(partial(is_dead, child))
    with capture_logs() as logged:
        child.stop()
    assert [(each["log_level"], each["event"]) for each in logged] == [("error", _DEAD)]


def test_a_process_that_never_was_ready_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-S", "-c", "raise SystemExit(1)"))
    child = Child("hub", {})
    with capture_logs() as logged:
        with pytest.raises(NotStarted, match="ended with code 1"):
            child.start(DEADLINE)
        child.stop()
    assert logged == []


def test_a_data_plane_that_remains_is_an_error(tmp_path: Path) -> None:
    class Refusing(HubClient):
        def tear_down(self) -> None:
            raise HubError("a namespace can't be removed")

    with capture_logs() as logged:
        running.tear_down(Child("hub", {}, lambda: True), Refusing(tmp_path / "socket"))
    assert [(each["log_level"], each["event"], each["error"]) for each in logged] == [
        ("error", "a part of the data plane remains", "a namespace can't be removed")
    ]
