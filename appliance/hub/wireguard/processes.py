"""Processes of userspace implementations: listed, found by link, ended."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from appliance.hub.wireguard import uapi

WIREGUARD_GO, BORINGTUN = "wireguard-go", "boringtun-cli"
"""Names of the executables, by which processes are recognized."""
FIRST_UID = 1_900_000_000
"""The user of a wireguard-go is this and its UDP port: above the ids that systemd and distributions give away, up to
1,879,048,191 (systemd.io/UIDS-GIDS)."""
_OOM_SCORE = 500
"""Addition to the memory of a process, in thousandths of the host's, when the kernel looks for what to end."""
SHARED_UID = 64218
"""For a user namespace with few users: a number that distributions give to nobody, and not the web process's."""


def end_first(pid: int) -> None:
    """Have the kernel end a process before the hub and the rest of the host when memory runs out (proc(5)).

    A link keeps packets for machines that do not answer, so somebody with many such machines can have one fill the
    host's memory. Then the largest link ends, which is theirs, and is made again; nobody else's is touched.
    """
    with suppress(OSError):
        # It has ended, or the host lets nobody do this; then the kernel chooses by size alone.
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(_OOM_SCORE))


def by_link() -> dict[str, int]:
    """Find the ids of all WireGuard processes on this host, by the link that each serves."""
    found: dict[str, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (link := served_by(pid := int(folder.name))) is not None:
            found[link] = pid
    return found


def served_by(pid: int) -> str | None:
    """Find the link that a process serves; None if it is no WireGuard process of the hub's."""
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


class Processes:
    """Finds processes by the link that they serve, and ends them. Safe to share between threads.

    A search reads a file of each process on the host, so its result is kept.

    Args:
        search: finds the ids of all processes, by link.
        check: tells which link a process serves; None: none, or it has ended.
    """

    def __init__(
        self, search: Callable[[], dict[str, int]] = by_link, check: Callable[[int], str | None] = served_by
    ) -> None:
        self._search = search
        self._check = check
        self._seen: dict[str, int] = {}
        self._looking = threading.Lock()

    def serving(self, link: str) -> int | None:
        """Find the id of the process that serves a link."""
        with self._looking:
            if link not in self._seen or self._check(self._seen[link]) != link:
                self._seen = self._search()
            return self._seen.get(link)

    def end(self, link: str) -> None:
        """End the process that serves the link, if there is one, and remove its control socket."""
        with self._looking:
            if link not in self._seen:
                self._seen = self._search()
            # A process that no longer serves it has ended, so another search would find none.
            pid = self._seen.pop(link, None)
        if pid is not None and self._check(pid) == link:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        uapi.path_of(link).unlink(missing_ok=True)
