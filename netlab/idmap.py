"""Users of a user namespace that an ordinary user makes: itself as root, and those that the machine lends it.

`newuidmap` and `newgidmap` (Debian's `uidmap`) give what /etc/subuid and /etc/subgid grant. Without them there is one
user in the namespace, and no program in there can become another.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

_COUNT = 65535
"""Up to nobody and nogroup (65534), which programs become."""
_FILES = {"newuidmap": "/etc/subuid", "newgidmap": "/etc/subgid"}


def first_lent(text: str, user: int, name: str) -> int | None:
    """The first of enough ids that a file as subuid(5) tells grants a user; None if it grants none."""
    for line in text.splitlines():
        owner, _, rest = line.partition(":")
        start, _, count = rest.partition(":")
        if owner in (name, str(user)) and start.isdigit() and count.isdigit() and int(count) >= _COUNT:
            return int(start)
    return None


def map_users(unshare: Callable[[], None]) -> None:
    """Has the calling process enter a user namespace, with as many users as can be had.

    Args:
        unshare: enters it.

    Raises:
        OSError: there can't be one.
    """
    user, group, process = os.geteuid(), os.getegid(), os.getpid()
    commands = _commands(process, user, group)
    wait, entered = os.pipe()
    helper = os.fork()
    if helper == 0:
        # Outside of it: only from there more than one user can be given.
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
    """What gives the process its users and groups; nothing where this machine lends too few."""
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
