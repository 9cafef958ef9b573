"""Users other than root, and file access with the rights of one.

A path in another user's folder may be a link that they made, to a file that they may not read or write. Root opens such
paths with their rights, so that the links give nothing away.
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
    """A user of this host, with the primary group."""

    uid: int
    gid: int


def owner_of(folder: Path) -> User | None:
    """Owner of a folder, or of the link if the path is one; None if there is no such path."""
    try:
        status = folder.lstat()
    except OSError:
        return None
    return User(status.st_uid, status.st_gid)


@contextmanager
def file_access_as(user: User | None) -> Iterator[None]:
    """Access files with this user's rights, and without root's, in a block (setfsuid(2), capabilities(7)).

    It applies to the calling thread, and to threads and forks that are started in the block. Everything else keeps
    root's rights: links, rules, signals, credentials of sockets. Supplementary groups stay too, so the process should
    drop them first (`privileges.leave_groups`). It cancels `lifeline.end_with_parent`.

    Args:
        user: the user; with None, or in a process that is not root, nothing changes.

    Raises:
        OSError: the kernel refused, or this user namespace has no such user.
    """
    if user is None or user.uid == 0 or os.geteuid() != 0:
        yield
        return
    group = libc.setfsgid(user.gid)
    before = libc.setfsuid(user.uid)
    try:
        # Neither call reports a refusal; an invalid id only returns the present one.
        if (libc.setfsuid(_UNCHANGED), libc.setfsgid(_UNCHANGED)) != (user.uid, user.gid):
            raise OSError(f"can't access files as user {user.uid}")
        yield
    finally:
        libc.setfsuid(before)
        libc.setfsgid(group)
