"""Processes of userspace implementations: listed, found by link, ended."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

from appliance.hub.wireguard import uapi

WIREGUARD_GO, BORINGTUN = "wireguard-go", "boringtun-cli"
"""Names of the executables, by which processes are recognized."""
FIRST_UID = 1_900_000_000
"""The user of a wireguard-go is this and its UDP port: above the ids that systemd and distributions give away, up to
1,879,048,191 (systemd.io/UIDS-GIDS)."""
SHARED_UID = 64218
"""For a user namespace with few users: a number that distributions give to nobody, and not the web process's."""

# Result of the last search, which is cached because it reads a file of each process on the host.
_seen: dict[str, int] = {}
_looking = threading.Lock()


def by_link() -> dict[str, int]:
    """Find the ids of all WireGuard processes on this host, by the link that each serves."""
    found: dict[str, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (link := _served_by(pid := int(folder.name))) is not None:
            found[link] = pid
    return found


def serving(link: str) -> int | None:
    """Find the id of the process that serves a link."""
    with _looking:
        if link not in _seen or _served_by(_seen[link]) != link:
            _look()
        return _seen.get(link)


def end(link: str) -> None:
    """End the process that serves the link, if there is one, and remove its control socket."""
    with _looking:
        if link not in _seen:
            _look()
        # A process that no longer serves it has ended, so another search would find none.
        pid = _seen.pop(link, None)
    if pid is not None and _served_by(pid) == link:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    uapi.path_of(link).unlink(missing_ok=True)


def _look() -> None:
    _seen.clear()
    _seen.update(by_link())


def _served_by(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
    except (OSError, UnicodeDecodeError):
        return None
    return words[-1] if Path(words[0]).name in (WIREGUARD_GO, BORINGTUN) and _is_ours(pid) else None


def _is_ours(pid: int) -> bool:
    """Tell whether a process has one of the hub's users, because any user can choose a process's name."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    (line,) = (line for line in status.splitlines() if line.startswith("Uid:"))
    return all(uid in (0, SHARED_UID) or uid - FIRST_UID in range(2**16) for uid in map(int, line.split()[1:]))
