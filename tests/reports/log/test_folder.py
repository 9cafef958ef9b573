"""Appending: crashes, two processes at once, and logs that were damaged, cut or rewritten."""

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
from reports.log.notes import Checkpoint
from tests.reports.log.samples import KEY, STRANGER, began, ended, filled, log_in


def size_of(log: RunLog) -> int:
    """Number of entries of a log that is found to be whole."""
    found = audit(log.folder, KEY.public_key())
    assert all(run.ended is None or run.end is not None for run in found.runs)
    return found.checkpoint.size


def append(log: RunLog, seed: int = 1) -> int:
    with log.opened() as opened:
        return opened.append(began(seed)).index


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


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Makes a log once for each number of runs; tests copy it."""
    made: dict[int, Path] = {}

    def find(runs: int) -> Path:
        if runs not in made:
            made[runs] = tmp_path_factory.mktemp("kept")
            filled(made[runs], runs)
        return made[runs]

    return find


@pytest.fixture
def log(tmp_path: Path, kept: Callable[[int], Path]) -> RunLog:
    """Provides a log of three runs."""
    shutil.copytree(kept(3), tmp_path, dirs_exist_ok=True)
    return log_in(tmp_path)


def swap_entries(log: RunLog) -> None:
    path = log.folder / "tile/entries/000.p/6"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"seed":1', b'"seed":9'))


def truncate_tile(log: RunLog) -> None:
    path = log.folder / "tile/0/000.p/6"
    path.write_bytes(path.read_bytes()[:-1])


def reorder_tile(log: RunLog) -> None:
    path = log.folder / "tile/0/000.p/6"
    content = path.read_bytes()
    path.write_bytes(content[32:64] + content[:32] + content[64:])


def remove_tile(log: RunLog) -> None:
    (log.folder / "tile/0/000.p/6").unlink()


def remove_bundle(log: RunLog) -> None:
    (log.folder / "tile/entries/000.p/6").unlink()


def remove_checkpoint(log: RunLog) -> None:
    (log.folder / "checkpoint").unlink()


def remove_all(log: RunLog) -> None:
    shutil.rmtree(log.folder)


def break_checkpoint(log: RunLog) -> None:
    (log.folder / "checkpoint").write_bytes(b"")


def claim_another_size(log: RunLog) -> None:
    path = log.folder / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n6\n", b"\n5\n"))


def cut(log: RunLog) -> None:
    now = Checkpoint.open((log.folder / "checkpoint").read_bytes(), KEY.public_key())
    size = 4
    root = tiles.Tiles(log.folder, size).root()
    (log.folder / "checkpoint").write_bytes(Checkpoint(now.origin, size, root).sign(KEY))


def signed_by_a_stranger(log: RunLog) -> None:
    now = Checkpoint.open((log.folder / "checkpoint").read_bytes(), KEY.public_key())
    (log.folder / "checkpoint").write_bytes(now.sign(STRANGER))


def another_log(log: RunLog) -> None:
    shutil.rmtree(log.folder)
    other = filled(log.folder.parent / "other", 4)
    shutil.copytree(other.folder, log.folder)


def rewrite(log: RunLog) -> None:
    """Writes a log of the same name with another history, by whoever has the key."""
    now = Checkpoint.open((log.folder / "checkpoint").read_bytes(), KEY.public_key())
    shutil.rmtree(log.folder)
    made = tiles.Tiles(log.folder, 0)
    for number in range(8):
        made = tiles.write_next(made, b'{"kind":"began"}' + bytes([number]))
    (log.folder / "checkpoint").write_bytes(Checkpoint(now.origin, 8, made.root()).sign(KEY))


def contents(log: RunLog) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in log.folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (swap_entries, "other entries than its tile"),
        (truncate_tile, "has 191 bytes"),
        (reorder_tile, "others than its checkpoint says"),
        (remove_tile, "is missing"),
        (remove_bundle, "is missing"),
        (remove_checkpoint, "checkpoint is gone"),
        (remove_all, "checkpoint is gone"),
        (break_checkpoint, "is not the checkpoint"),
        (claim_another_size, "is not the checkpoint"),
        (cut, "It was cut: it has 4 entries, and had 6"),
        (signed_by_a_stranger, "not signed by this key"),
        (another_log, "It is another log"),
        (rewrite, "It was rewritten"),
    ],
)
def test_a_changed_log_is_refused_and_left_as_it_is(log: RunLog, change: Callable[[RunLog], None], why: str) -> None:
    change(log)
    before = contents(log)
    with pytest.raises(LogError, match=why) as refused:
        append(log)
    assert "can't be trusted any more" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert contents(log) == before


def test_an_old_part_that_is_damaged_is_noticed_in_turn(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    made = tiles.Tiles(log.folder, 0)
    with log.opened() as opened:
        origin = opened.checkpoint.origin
    content = b'{"kind":"began","at":"","profile":"","seed":1}'
    # The tiles of many entries at once: one by one takes too long.
    every = [content] * 1030
    for (level, index), hashes in tiles.of_entries(every).items():
        path = log.folder / "tile" / str(level) / tiles.place(index, len(hashes) // tiles.HASH)
        files.write_durably(path, hashes)
    for index in range(5):
        part = every[index * 256 :][:256]
        path = log.folder / "tile/entries" / tiles.place(index, len(part))
        files.write_durably(path, b"".join(len(each).to_bytes(2, "big") + each for each in part))
    made = tiles.Tiles(log.folder, len(every))
    (log.folder / "checkpoint").write_bytes(Checkpoint(origin, len(every), made.root()).sign(KEY))
    append(log)
    damaged = log.folder / "tile/entries/002"
    damaged.write_bytes(damaged.read_bytes().replace(b'"seed":1', b'"seed":2', 1))
    refusals = []
    for _ in range(4):
        try:
            append(log)
        except LogError as error:
            refusals.append(str(error))
    assert refusals
    assert all("other entries than its tile" in each for each in refusals)


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
