"""Durable writes, and safe reads from another user's folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_PASSABLE = 0o055


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to disk, so that they survive a power cut (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(path: Path, mode: int = 0o777) -> None:
    """Create a folder and those above it that are missing; their names are on disk when this returns.

    Args:
        mode: mode of the folder itself, less the umask; those above get the usual one.

    Raises:
        OSError: one can't be created.
    """
    if not path.parent.exists():
        make_folders(path.parent)
    path.mkdir(mode, exist_ok=True)
    sync(path.parent)


def make_passable(path: Path) -> None:
    """Create a folder that every user may enter and list, whatever the umask; those above it that are missing, too.

    A folder of this user's that is there already becomes so. Nothing is on disk for sure, so it is for folders that a
    boot empties.

    Raises:
        OSError: one can't be created, or is in another user's way.
    """
    if not path.parent.exists():
        make_passable(path.parent)
    path.mkdir(exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _PASSABLE != _PASSABLE:
        path.chmod(mode | _PASSABLE)


def read_plain(folder: int, name: str, most: int) -> bytes:
    """Read a regular file from a folder that another user may change.

    Links, files with a second name, pipes and files of others than the folder's owner are refused.

    Args:
        folder: the folder's descriptor.
        most: largest size in bytes.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it is no regular file, another user's, or too large.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_uid != os.fstat(folder).st_uid:
            raise OSError(errno.EPERM, "not a regular file of its folder's owner", name)
        data = file.read(most + 1)
        if len(data) > most:
            raise OSError(errno.EFBIG, f"larger than {most} bytes", name)
        return data
