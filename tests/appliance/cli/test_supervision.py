"""Supervision of processes: restarts after a crash, with growing pauses, and restarts on request without a gap."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest
from structlog.testing import capture_logs

from appliance.cli import launching
from appliance.cli.child import Child, NotStarted, pause, prepared
from appliance.cli.supervision import Signals, watch
from tests.appliance.cli.started import is_dead
from tests.appliance.clocks import ModuleTime
from tests.waiting import DEADLINE, wait_until

_LOOKS = 0.002
# Its second argument is the command, the first a folder: what it does there is written down, and it takes long to end.
_DIARIST = """
import os, signal, sys, time
from pathlib import Path
from appliance.cli.succession import wait_for_turn
folder, command = Path(sys.argv[1]), sys.argv[2]
if (folder / "broken").exists():
    raise SystemExit("does not load")
def note(what):
    with (folder / command).open("a") as diary:
        print(what, os.getpid(), file=diary)
def end(*_):
    time.sleep(0.3)
    note("ends")
    raise SystemExit(0)
note("loads")
wait_for_turn()
signal.signal(signal.SIGTERM, end)
note("works")
while True:
    signal.pause()
"""


def test_pauses_grow_with_each_early_crash_not_with_each_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-S", "-c", ""))
    clock = ModuleTime()
    monkeypatch.setattr("appliance.cli.child.time", clock)
    child = Child("hub", {}, lambda: True)
    child.start(DEADLINE)
    starts = [clock.now]
    with capture_logs() as logged:
        for _ in range(3):
            wait_until(partial(is_dead, child))
            logged.clear()
            while not logged:
                child.revive()
                starts[len(starts) :] = [clock.now] * len(logged)
                clock.sleep(_LOOKS)
    child.stop()
    pauses = [later - sooner for sooner, later in pairwise(starts)]
    assert pauses == pytest.approx([0.4, 0.8, 1.6], abs=2 * _LOOKS)


@contextmanager
def diarists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Signals]:
    """Starts two programs that write a diary and one beside them, and a supervisor that watches them."""
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-c", _DIARIST, str(folder)))
    children = [Child(each, {}, partial(_is_at_work, folder, each)) for each in ("hub", "web", "demo")]
    signals = Signals()
    for child in children:
        child.start(DEADLINE)
    watcher = Thread(target=watch, args=(children[:2], signals, lambda: False, children[2:]))
    watcher.start()
    try:
        yield signals
    finally:
        signals.stopped = True
        watcher.join()
        for child in children:
            child.stop()


def diary(folder: Path, command: str) -> list[list[str]]:
    file = folder / command
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def works(folder: Path, command: str) -> list[str]:
    return [pid for what, pid in diary(folder, command) if what == "works"]


def _is_at_work(folder: Path, command: str) -> bool:
    return bool(works(folder, command))


def _was_renewed(folder: Path, command: str) -> bool:
    return len(works(folder, command)) == 2


def test_a_successor_loads_before_its_predecessor_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with diarists(tmp_path, monkeypatch) as signals:
        signals.renewed = True
        for command in ("hub", "web"):
            wait_until(partial(_was_renewed, tmp_path, command))
            old, new = works(tmp_path, command)
            assert diary(tmp_path, command) == [
                ["loads", old],
                ["works", old],
                ["loads", new],
                ["ends", old],
                ["works", new],
            ]
        # What is beside them is kept alive, and no more.
        assert [what for what, _ in diary(tmp_path, "demo")] == ["loads", "works"]
        os.kill(int(works(tmp_path, "demo")[0]), signal.SIGKILL)
        wait_until(partial(_was_renewed, tmp_path, "demo"))


def test_a_prepared_process_loads_and_waits_to_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-c", _DIARIST, str(tmp_path)))
    child = Child("web", {}, partial(_is_at_work, tmp_path, "web"))
    child.prepare()
    wait_until(lambda: bool(diary(tmp_path, "web")))
    ((_, pid),) = diary(tmp_path, "web")
    child.start(DEADLINE)
    child.stop()
    assert diary(tmp_path, "web") == [["loads", pid], ["works", pid], ["ends", pid]]


def test_a_prepared_process_that_still_loads_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "import time; time.sleep(0.5)" + _DIARIST
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-c", slow, str(tmp_path)))
    child = Child("web", {}, partial(_is_at_work, tmp_path, "web"))
    child.prepare()
    child.start(DEADLINE)
    child.stop()
    assert [what for what, _ in diary(tmp_path, "web")] == ["loads", "works", "ends"]


def test_a_prepared_process_that_does_not_load_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-c", _DIARIST, str(tmp_path)))
    (tmp_path / "broken").touch()
    child = Child("web", {}, partial(_is_at_work, tmp_path, "web"))
    child.prepare()
    with pytest.raises(NotStarted, match="ended with code 1"):
        child.start(DEADLINE)
    child.stop()


def test_a_prepared_process_that_is_not_started_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-c", _DIARIST, str(tmp_path)))
    with prepared(Child("web", {}), Child("hub", {})):
        wait_until(lambda: all(diary(tmp_path, command) for command in ("web", "hub")))
    for command in ("web", "hub"):
        ((what, pid),) = diary(tmp_path, command)
        assert what == "loads"
        assert not Path("/proc", pid).exists()


def test_a_process_gets_open_files_with_its_turn(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = """
import os
from appliance.cli.succession import wait_for_turn
before = os.listdir("/proc/self/fd")
wait_for_turn()
handed = [int(each) for name in ("SECRET", "DOOR") for each in os.environ[name].split(",")]
print([os.read(each, 9) for each in handed], any(map(os.get_inheritable, handed)), len(before))
"""
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-c", program))
    pipes = [os.pipe() for _ in range(3)]
    for (_, writing), text in zip(pipes, (b"secret", b"door 1", b"door 2"), strict=True):
        os.write(writing, text)
    (secret, _), *doors = pipes
    child = Child("hub", {}, lambda: is_dead(child), {"SECRET": (secret,), "DOOR": tuple(each for each, _ in doors)})
    child.start(DEADLINE)
    child.stop()
    for each in pipes:
        os.close(each[0])
        os.close(each[1])
    # Before its turn it has the standard streams, the socket of its turn, and the folder that it lists.
    assert capfd.readouterr().out.startswith("[b'secret', b'door 1', b'door 2'] False 5\n")


@pytest.mark.long
def test_a_program_that_does_not_load_replaces_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with diarists(tmp_path, monkeypatch) as signals:
        (tmp_path / "broken").touch()
        signals.renewed = True
        wait_until(lambda: "the running ones go on" in capfd.readouterr().out)
        for command in ("hub", "web"):
            assert [what for what, _ in diary(tmp_path, command)] == ["loads", "works"]
        # Once it is put right, it is as if nothing had been.
        (tmp_path / "broken").unlink()
        signals.renewed = True
        wait_until(lambda: all(_was_renewed(tmp_path, command) for command in ("hub", "web")))


@pytest.mark.long
def test_a_program_that_can_t_be_executed_is_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with diarists(tmp_path, monkeypatch) as signals:
        program = launching.PROGRAM
        monkeypatch.setattr(launching, "PROGRAM", (str(tmp_path / "nowhere"),))
        signals.renewed = True
        wait_until(lambda: "the running ones go on" in capfd.readouterr().out)
        # Nor does one that has died keep the other one from being watched.
        (hub,), (web,) = works(tmp_path, "hub"), works(tmp_path, "web")
        os.kill(int(hub), signal.SIGKILL)
        wait_until(lambda: "can't be started" in capfd.readouterr().out)
        assert works(tmp_path, "web") == [web]
        monkeypatch.setattr(launching, "PROGRAM", program)
        wait_until(lambda: _was_renewed(tmp_path, "hub"))


_ROUNDS = 5000
_TELLS = f"""
import os
from appliance.cli import supervision
supervision.LOOK_S = 0.0001
for _ in range({_ROUNDS}):
    signals = supervision.Signals.handled()
    os.write(1, b"looks\\n")
    supervision.watch([], signals)
"""


@pytest.mark.long
def test_a_signal_right_after_the_start_is_handled() -> None:
    """Sends a signal as soon as the supervisor reports that it is up, when it begins to wait."""
    with subprocess.Popen([sys.executable, "-c", _TELLS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            for number in range(_ROUNDS):
                assert select.select([process.stdout], [], [], DEADLINE)[0], (
                    f"it heeds no signal after {number} of them"
                )
                os.read(process.stdout.fileno(), 64)
                process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()


def test_a_slow_start_is_checked_less_often() -> None:
    pauses = [pause(waited) for waited in (0.0, 0.5, 5.0, 20.0, 1000.0)]
    assert pauses == pytest.approx([0.02, 0.02, 0.1, 0.4, 0.5])


def test_a_confined_process_logs_to_its_end_without_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = """
import os, stat, sys
kinds = [stat.S_ISFIFO(os.fstat(each).st_mode) for each in (1, 2)]
print(kinds, os.getcwd(), os.isatty(0), flush=True)
os.write(2, b"x" * 100_000 + b"last words")
"""
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-c", program))
    monkeypatch.chdir(tmp_path)
    child = Child("web", {}, lambda: True, is_confined=True)
    child.start(DEADLINE)
    wait_until(lambda: is_dead(child))
    child.stop()
    said = capfd.readouterr().err
    assert said.startswith("[True, True] / False\n")
    assert said.endswith("x" * 100_000 + "last words")


def test_a_process_is_told_what_is_so_when_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"import os; open({str(tmp_path / 'told')!r}, 'a').write(os.environ['TOLD'] + '\\n')"
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-S", "-c", program))
    told = iter("ab")
    child = Child("web", {}, lambda: True, latest=lambda: {"TOLD": next(told)})
    for _ in range(2):
        child.start(DEADLINE)
        wait_until(lambda: is_dead(child))
    assert (tmp_path / "told").read_text() == "a\nb\n"
