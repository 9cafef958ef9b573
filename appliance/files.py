"""Files that are on disk for good, and files that another user may have put there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def sync(path: Path) -> None:
    """The file's content, or what was made, renamed or removed in the folder, survives a power cut (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_plain(folder: int, name: str, most: int) -> bytes:
    """A file of a folder that somebody else may change: it is read only if it is a file of the folder's owner.

    Nothing is followed and nothing waited for: no link, no second name of another file, no pipe.

    Args:
        folder: its descriptor.
        most: bytes.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is something else, another user's, or larger.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_uid != os.fstat(folder).st_uid:
            raise OSError(errno.EPERM, "it is no plain file of its folder's owner", name)
        data = file.read(most + 1)
        if len(data) > most:
            raise OSError(errno.EFBIG, f"it has more than {most} bytes", name)
        return data
