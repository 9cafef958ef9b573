"""Users other than root, and doing as one of them whatever is done by path in a folder of theirs.

Root that opens a path in somebody else's folder opens what they put there: a link to a file that they may not read, or
one that they may not write. With their own rights it gets no further than they do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance import libc

_UNCHANGED = -1


@dataclass(frozen=True)
class User:
    """A user of this host, with the one group that counts."""

    uid: int
    gid: int


def owner_of(folder: Path) -> User | None:
    """The user whose a folder is, itself no link; None where there is no such folder."""
    try:
        found = folder.lstat()
    except OSError:
        return None
    return User(found.st_uid, found.st_gid)


@contextmanager
def with_files_of(user: User | None) -> Iterator[None]:
    """Reach files in the block as this user would, and with none of root's rights (setfsuid(2), capabilities(7)).

    It holds for the calling thread, and for threads and forks that are started in the block. All else stays root's:
    links, rules, signals, and what a socket tells of its caller. Supplementary groups stay too, so that a process which
    means it drops them first (`privileges.leave_groups`). The kernel forgets what a thread was to be told of its
    parent's end (`lifeline.hold`).

    Args:
        user: None for nobody else. So it is also where this process is not root.

    Raises:
        OSError: the kernel refused, or this user namespace has no such user.
    """
    if user is None or user.uid == 0 or os.geteuid() != 0:
        yield
        return
    group = libc.setfsgid(user.gid)
    before = libc.setfsuid(user.uid)
    try:
        # Neither call tells whether it was refused.
        if (libc.setfsuid(_UNCHANGED), libc.setfsgid(_UNCHANGED)) != (user.uid, user.gid):
            raise OSError(f"files can't be reached as user {user.uid}")
        yield
    finally:
        libc.setfsuid(before)
        libc.setfsgid(group)
