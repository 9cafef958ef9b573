"""Syncs of programs are noticed, by whichever call, user or fork they are made."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.cli.ownership import web_user
from harness.subject.disk import Disk
from harness.subject.syncs import watched
from tests.waiting import DEADLINE

PROGRAM = """
import os, sys
def written(name):
    file = open(os.path.join(sys.argv[1], name), "w")
    file.write(name)
    file.flush()
    return file.fileno(), file
number, first = written("first")
os.fsync(number)
if os.fork() == 0:
    os.setuid(int(sys.argv[2]))
    number, second = written("second")
    os.fdatasync(number)
    os._exit(0)
os.wait()
number, third = written("third")
os.fsync(os.open(sys.argv[1], os.O_RDONLY))
"""


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the program, which writes three files and syncs the first two and the folder."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(web_user().uid)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Provides a folder in which every user may write."""
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_mode & 0o011 != 0o011 and each != Path("/"):
            each.chmod(0o755)
    tmp_path.chmod(0o777)
    return tmp_path


def test_each_sync_is_told_before_it_is_made(folder: Path) -> None:
    told: list[str] = []
    done: list[str] = []

    def on_sync(opened: Path) -> Callable[[], None]:
        name = "folder" if opened.is_dir() else opened.read_text()
        told.append(name)
        return lambda: done.append(name)

    result = watched(lambda: run(folder), on_sync)
    assert (result.returncode, result.stderr) == (0, "")
    assert told == done == ["first", "second", "folder"]


def test_a_failing_look_does_not_stop_the_program(folder: Path) -> None:
    def on_sync(opened: Path) -> None:
        raise FileNotFoundError(opened)

    assert watched(lambda: run(folder), on_sync).returncode == 0


def test_a_program_killed_in_a_sync_has_synced_nothing(folder: Path) -> None:
    disk = Disk(folder)

    def begin() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), "0"], stdout=subprocess.PIPE)

    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(watched, begin, disk.on_sync)
        with disk.in_a_sync(DEADLINE):
            process = started.result(DEADLINE)
            assert (folder / "first").read_text() == "first"
            process.kill()
            assert process.communicate(timeout=DEADLINE)[0] == b""
            assert process.returncode == -signal.SIGKILL
    assert disk.cut() == 1
    assert (disk.syncs, list(folder.iterdir())) == (0, [])


def test_what_a_function_raises_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 // 0, lambda _: None)
    assert list(tmp_path.iterdir()) == []
