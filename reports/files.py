"""Files that survive a power cut, and bounded reads."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_bounded(path: Path, most: int) -> bytes:
    """Reads a file without waiting for anybody to write it, as a pipe would.

    Args:
        path: the file.
        most: largest size in bytes.

    Raises:
        OSError: it can't be read, or is larger.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(most + 1) or b""
    if len(content) > most:
        raise OSError(errno.EFBIG, f"It is larger than {most} bytes", str(path))
    return content


def write_durably(path: Path, content: bytes) -> None:
    """Writes a file as a whole or not at all. The caller holds a lock on its folder.

    Raises:
        OSError: it can't be written.
    """
    make_folder(path.parent)
    # One name for all, so that a crash leaves one file at most.
    temporary = path.parent / ".new"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Makes a folder that everybody may read, and those above it that are missing.

    Raises:
        OSError: it can't be made.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flushes the names in a folder to disk."""
    _sync(path, os.O_DIRECTORY)


def sync_tree(path: Path) -> None:
    """Flushes a folder to disk, with all files and folders in it. Links are not followed.

    Raises:
        OSError: something in it can't be read.
    """
    for found in path.iterdir():
        status = found.lstat()
        if stat.S_ISDIR(status.st_mode):
            sync_tree(found)
        elif stat.S_ISREG(status.st_mode):
            _sync(found)
    sync_folder(path)


def _sync(path: Path, flags: int = 0) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
