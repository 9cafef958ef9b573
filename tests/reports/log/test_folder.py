"""Appending, also after crashes, by two processes at once, and to a full disk."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.subject.disk import Disk
from harness.subject.syncs import watched
from netlab import sandbox
from reports import files
from reports.log import folder, tiles
from reports.log.audit import audit
from reports.log.entries import Began
from reports.log.folder import LogError, RunLog
from tests.reports.log.samples import KEY, append, began, contents, ended, filled, log_in, size_of


def test_entries_get_numbers_in_order(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    assert [append(log) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert size_of(log) == 5
    # The folder can be served as it is; what is not the log's lies beside it.
    assert {each.name for each in log.folder.iterdir()} == {"checkpoint", "tile"}


def test_each_log_has_a_name_of_its_own(tmp_path: Path) -> None:
    names = set()
    for place in ("one", "two"):
        with log_in(tmp_path / place).opened() as opened:
            names.add(opened.checkpoint.origin)
    assert len(names) == 2
    assert all(name.startswith("meshwg-gate/0123456789abcdef/") for name in names)


def test_the_place_is_known_before_the_entry_is_written(tmp_path: Path) -> None:
    log = filled(tmp_path, 3)
    with log.opened() as opened:
        place = opened.checkpoint.size
        assert opened.append(began()).index == place == 6


def test_files_can_be_read_by_all_and_written_by_their_owner(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        private = filled(tmp_path / "private", 1)
        os.umask(0)
        public = filled(tmp_path / "public", 1)
    finally:
        os.umask(before)
    for log in (private, public):
        # Who can open it can keep everybody waiting.
        assert log.folder.with_name("log.lock").stat().st_mode & 0o777 == 0o600
        for path in log.folder.rglob("*"):
            assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def another_process(place: Path, count: int) -> None:
    for number in range(count):
        append(log_in(place), number)


@pytest.mark.long
def test_two_processes_append_at_once(tmp_path: Path) -> None:
    forked = multiprocessing.get_context("fork")
    running = [forked.Process(target=another_process, args=(tmp_path, 20)) for _ in range(3)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert [each.exitcode for each in running] == [0, 0, 0]
    found = audit(log_in(tmp_path).folder, KEY.public_key())
    assert found.checkpoint.size == 60
    assert sorted(run.began.seed for run in found.runs) == sorted([*range(20)] * 3)


@pytest.mark.long
@pytest.mark.parametrize("runs", [0, 127])
def test_an_entry_outlasts_a_power_cut(tmp_path: Path, runs: int) -> None:
    """Adds the first entries of a log, and those around a full tile."""
    log = filled(tmp_path, runs)
    disk = Disk(tmp_path)
    for size in range(2 * runs, 2 * runs + 4):
        assert watched(lambda: append(log), disk.on_sync) == size
        disk.cut()
        assert size_of(log) == size + 1


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """Makes the process end at the n-th file that it writes, before or after that."""

    def at(number: int, after: bool) -> None:
        written = 0
        original = files.write_durably

        def write(path: Path, content: bytes) -> None:
            nonlocal written
            written += 1
            if written == number and not after:
                # As a power cut would leave it.
                path.parent.mkdir(parents=True, exist_ok=True)
                (path.parent / ".new").write_bytes(content[: len(content) // 2])
                raise Crash
            original(path, content)
            if written == number:
                raise Crash

        for module in (tiles, folder):
            monkeypatch.setattr(module, "write_durably", write)

    return at


@pytest.mark.parametrize("runs", [0, 1, 127], ids=["new", "small", "full"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 7))
def test_a_crash_leaves_the_log_whole(
    tmp_path: Path,
    kept: Callable[[int], Path],
    crash: Callable[[int, bool], None],
    monkeypatch: pytest.MonkeyPatch,
    runs: int,
    after: bool,
    number: int,
) -> None:
    shutil.copytree(kept(runs), tmp_path, dirs_exist_ok=True)
    log = log_in(tmp_path)
    size = 2 * runs
    if runs == 127:
        append(log)
        size += 1
    crash(number, after)
    # Another entry than the one that follows the crash.
    with suppress(Crash):
        append(log, seed=999)
    monkeypatch.undo()
    with log.opened() as opened:
        assert opened.checkpoint.size in (size, size + 1)
        index = opened.append(began(7)).index
    assert size_of(log) == index + 1


def test_too_large_an_entry_is_refused(tmp_path: Path) -> None:
    log = filled(tmp_path, 1)
    with log.opened() as opened, pytest.raises(LogError, match="4096 bytes at most"):
        opened.append(Began("x" * 5000, "quick", 1, began().subject))
    assert size_of(log) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mounts a file system of 64 KiB."""
    if not sandbox.inside():
        pytest.skip("mounts are made in a sandbox")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_the_log_as_it_was(small_disk: Path) -> None:
    log = log_in(small_disk)
    append(log)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    before = contents(log)
    with pytest.raises(LogError, match="can't be written: No space left on device"):
        append(log)
    assert contents(log) == before
    filler.unlink()
    assert append(log) == 1
    assert size_of(log) == 2


def test_a_folder_that_can_t_be_written_is_one_sentence(small_disk: Path) -> None:
    log = log_in(small_disk)
    append(log)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(LogError, match=r"can't be written: Read-only file system\.$"):
        append(log)


def test_a_run_ends_once(log: RunLog) -> None:
    with log.opened() as opened:
        opened.append(ended(0))
    with pytest.raises(LogError, match="had ended"):
        audit(log.folder, KEY.public_key())
