"""A disk keeps what was synced, and loses the rest."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from appliance.cli.ownership import web_user
from harness.judging.verdicts import Inconclusive
from harness.subject.disk import SECTOR, Disk

OLD, NEW = b"o" * SECTOR, b"n" * SECTOR


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Provides a folder with one file and one folder in it."""
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "below").mkdir()
    return tmp_path


def sync(disk: Disk, path: Path) -> None:
    """Tells the disk that a file or folder is synced."""
    note = disk.on_sync(path)
    assert note is not None
    note()


def test_content_that_was_not_synced_is_lost(folder: Path) -> None:
    disk, file = Disk(folder), folder / "file"
    file.write_bytes(NEW)
    assert disk.cut() == 1
    assert file.read_bytes() == OLD
    file.write_bytes(NEW)
    sync(disk, file)
    assert disk.cut() == 0
    assert file.read_bytes() == NEW
    assert disk.syncs == 1


def test_a_sync_without_its_call_keeps_nothing(folder: Path) -> None:
    disk, file = Disk(folder), folder / "file"
    file.write_bytes(NEW)
    assert disk.on_sync(file) is not None
    disk.cut()
    assert file.read_bytes() == OLD


def test_a_new_name_needs_a_sync_of_its_folder(folder: Path) -> None:
    disk, file = Disk(folder), folder / "below" / "new"
    file.write_bytes(NEW)
    sync(disk, file)
    disk.cut()
    assert not file.exists()
    file.write_bytes(NEW)
    sync(disk, file.parent)
    disk.cut()
    assert file.read_bytes() == b""
    file.write_bytes(NEW)
    sync(disk, file)
    disk.cut()
    assert file.read_bytes() == NEW


def test_a_new_folder_needs_a_sync_of_the_one_above(folder: Path) -> None:
    disk, new = Disk(folder), folder / "new"
    for is_synced in (False, True):
        new.mkdir()
        (new / "file").write_bytes(NEW)
        sync(disk, new / "file")
        sync(disk, new)
        if is_synced:
            sync(disk, folder)
        disk.cut()
        assert new.exists() == is_synced
    assert (new / "file").read_bytes() == NEW


@pytest.mark.parametrize("is_synced", [False, True])
def test_a_renamed_file_takes_its_content_along(folder: Path, is_synced: bool) -> None:
    disk, file, new = Disk(folder), folder / "file", folder / ".new"
    new.write_bytes(NEW)
    sync(disk, new)
    new.replace(file)
    if is_synced:
        sync(disk, folder)
    disk.cut()
    assert file.read_bytes() == (NEW if is_synced else OLD)
    assert not new.exists()


def test_a_removed_file_comes_back_until_it_is_synced(folder: Path) -> None:
    disk, file = Disk(folder), folder / "file"
    user = web_user()
    os.chown(folder, user.uid, user.gid)
    file.unlink()
    assert disk.cut() == 1
    assert (file.read_bytes(), file.stat().st_uid) == (OLD, user.uid)
    file.unlink()
    sync(disk, folder)
    assert disk.cut() == 0
    assert not file.exists()


def test_sectors_that_were_not_synced_are_lost_each_by_itself(folder: Path) -> None:
    file = folder / "file"
    file.write_bytes(OLD * 64)
    disk = Disk(folder)
    file.write_bytes(NEW * 128)
    disk.cut(random.Random(0))
    found = file.read_bytes()
    sectors = [found[begin : begin + SECTOR] for begin in range(0, len(found), SECTOR)]
    assert set(sectors[:64]) == {OLD, NEW}
    assert len(sectors) == 64 or set(sectors[64:]) == {NEW, b"\0" * SECTOR}


def test_a_wait_for_a_sync_ends(folder: Path) -> None:
    disk = Disk(folder)
    with pytest.raises(Inconclusive, match="nothing was synced"), disk.in_a_sync(0.01):
        pytest.fail("nobody syncs")
    sync(disk, folder)


def test_a_file_on_another_disk_is_left_alone(folder: Path) -> None:
    assert Disk(folder).on_sync(Path("/proc/self/stat")) is None
