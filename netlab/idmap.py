"""User namespaces of an ordinary user, who is root in them, with the other users that the machine lends.

`newuidmap` and `newgidmap` (Debian's package `uidmap`) grant the ranges of /etc/subuid and /etc/subgid. Without them
the namespace has one user, and no program in it can become another.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

_COUNT = 65535
"""Enough ids for root to become nobody and nogroup (65534)."""
_FILES = {"newuidmap": "/etc/subuid", "newgidmap": "/etc/subgid"}


def first_lent(text: str, user: int, name: str) -> int | None:
    """Finds the ids that a file in the format of subuid(5) lends to a user.

    Args:
        text: content of the file.
        user: numeric id of the user.
        name: login name of the user.

    Returns:
        The first of at least 65535 ids in a row; None if the file lends no such range.
    """
    for line in text.splitlines():
        owner, _, rest = line.partition(":")
        start, _, count = rest.partition(":")
        if owner in (name, str(user)) and start.isdigit() and count.isdigit() and int(count) >= _COUNT:
            return int(start)
    return None


def map_users(unshare: Callable[[], None]) -> None:
    """Moves the calling process into a user namespace, with as many users as the machine lends.

    Args:
        unshare: function that enters the namespace.

    Raises:
        OSError: the kernel refuses the namespace.
    """
    user, group, process = os.geteuid(), os.getegid(), os.getpid()
    commands = _commands(process, user, group)
    wait, entered = os.pipe()
    helper = os.fork()
    if helper == 0:
        # From outside of the namespace: only there can more than one user be mapped.
        os.close(entered)
        done = bool(commands) and os.read(wait, 1) == b"+" and all(map(_succeeds, commands))
        os._exit(0 if done else 1)
    os.close(wait)
    try:
        unshare()
        if commands:
            os.write(entered, b"+")
    finally:
        os.close(entered)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _commands(process: int, user: int, group: int) -> list[list[str]]:
    """Command lines that give a process its users and groups; empty where this machine lends too few."""
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        return []
    found = []
    for program, own in (("newgidmap", group), ("newuidmap", user)):
        file, path = Path(_FILES[program]), shutil.which(program)
        first = first_lent(file.read_text(), user, name) if file.exists() else None
        if path is None or first is None:
            return []
        found.append([path, str(process), *map(str, (0, own, 1, 1, first, _COUNT))])
    return found


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
