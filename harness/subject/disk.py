"""Power cuts: changes a folder into what a disk has of it when the power fails."""

from __future__ import annotations

import os
import random
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.judging.verdicts import Inconclusive

SECTOR = 512
"""Bytes that a disk writes as a whole; every other unit may be written in part."""


@dataclass(frozen=True)
class _Entry:
    """Entry of a folder; the inode is the number of what it names."""

    inode: int
    is_folder: bool


class Disk:
    """Memory of what was synced in a folder and the folders below it. What is in them at first counts as synced.

    A file's content is as durable as its last sync, and its name as the last sync of its folder (fsync(2)). That is
    what POSIX promises; most file systems keep more.

    Args:
        folder: the folder.

    Attributes:
        syncs: number of syncs so far.
    """

    def __init__(self, folder: Path) -> None:
        self.syncs = 0
        self._folder = folder
        self._device = folder.stat().st_dev
        self._contents: dict[int, bytes] = {}
        self._entries: dict[int, dict[str, _Entry]] = {}
        self._lock = threading.Lock()
        self._is_open, self._is_awaited = threading.Event(), threading.Event()
        self._is_open.set()
        self._sync_all()

    def on_sync(self, opened: Path) -> Callable[[], None] | None:
        """Looks at a file or folder that is about to be synced; see `syncs.watched`.

        Args:
            opened: path that opens it.

        Returns:
            A function that notes it as synced; None if it is on another disk.
        """
        found = opened.stat()
        if found.st_dev != self._device:
            return None
        if not self._is_open.is_set():
            self._is_awaited.set()
            self._is_open.wait()
        if stat.S_ISDIR(found.st_mode):
            note = partial(self._entries.__setitem__, found.st_ino, _entries(opened))
        else:
            note = partial(self._contents.__setitem__, found.st_ino, opened.read_bytes())

        def noted() -> None:
            with self._lock:
                self.syncs += 1
                note()

        return noted

    @contextmanager
    def in_a_sync(self, deadline_s: float) -> Iterator[None]:
        """Runs a block while a program waits for a sync, with everything written that it is to sync.

        Args:
            deadline_s: longest wait for such a program, in seconds.

        Raises:
            Inconclusive: no program syncs anything.
        """
        self._is_awaited.clear()
        self._is_open.clear()
        try:
            if not self._is_awaited.wait(deadline_s):
                raise Inconclusive(f"nothing was synced for {deadline_s:.0f} s")
            yield
        finally:
            self._is_open.set()

    def cut(self, chance: random.Random | None = None) -> int:
        """Changes the folder into what a power cut leaves. No program may use it meanwhile.

        Args:
            chance: draws which sectors that were not synced are on the disk all the same; None: none is.

        Returns:
            Number of files with lost sectors or names.
        """
        with self._lock:
            lost = self._restore(self._folder, self._folder.stat().st_ino, chance)
        self._sync_all()
        return lost

    def _restore(self, folder: Path, inode: int, chance: random.Random | None) -> int:
        lost, kept, present = 0, self._entries.get(inode, {}), _entries(folder)
        for name, entry in present.items():
            if name not in kept or kept[name].is_folder != entry.is_folder:
                lost += 1
                _remove(folder / name)
        for name, entry in kept.items():
            path = folder / name
            if entry.is_folder:
                path.mkdir(exist_ok=True)
                lost += self._restore(path, entry.inode, chance)
                continue
            now = path.read_bytes() if path.exists() else None
            content = self._contents.get(entry.inode, b"")
            if now is not None and present[name] == entry:
                content = _mixed(content, now, chance)
            if content != now:
                lost += 1
                _write(path, content)
        return lost

    def _sync_all(self) -> None:
        """Notes everything that is in the folder as synced."""
        with self._lock:
            self._contents.clear()
            self._entries.clear()
            for place, _, files in os.walk(self._folder):
                folder = Path(place)
                self._entries[folder.stat().st_ino] = _entries(folder)
                for path in (folder / name for name in files):
                    if stat.S_ISREG(path.lstat().st_mode):
                        self._contents[path.stat().st_ino] = path.read_bytes()


def _entries(folder: Path) -> dict[str, _Entry]:
    """Lists the files and folders in a folder, without sockets and links."""
    with os.scandir(folder) as found:
        return {
            each.name: _Entry(each.inode(), each.is_dir(follow_symlinks=False))
            for each in found
            if each.is_dir(follow_symlinks=False) or each.is_file(follow_symlinks=False)
        }


def _mixed(kept: bytes, now: bytes, chance: random.Random | None) -> bytes:
    """Returns a file's content whose sectors are each as they were synced or as they are now."""
    if chance is None or kept == now:
        return kept
    mixed = bytearray()
    size = chance.choice((len(kept), len(now)))
    for begin in range(0, size, SECTOR):
        pair = [each[begin : begin + SECTOR].ljust(SECTOR, b"\0") for each in (kept, now)]
        mixed += pair[0] if pair[0] == pair[1] else chance.choice(pair)
    return bytes(mixed[:size])


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _write(path: Path, content: bytes) -> None:
    """Writes a file in place, so that it stays its owner's; one that is gone becomes the folder's owner's."""
    is_new = not path.exists()
    path.write_bytes(content)
    if is_new:
        owner = path.parent.stat()
        path.chmod(0o600)
        with suppress(PermissionError):
            os.chown(path, owner.st_uid, owner.st_gid)
