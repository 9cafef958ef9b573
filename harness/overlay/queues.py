"""Watch over the queues in which the userspace WireGuard of the hub and of machines receives."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.judging.queues import Overflow, QueueLog, Span
from netlab import LabHost
from netlab.wireguard import USERSPACE

_LOOK_S = 0.02
_LATE_NS = 45_000_000
_FILLED = 1 << 16
"""Bytes in a queue, as the kernel counts them: some 85 small packets, a third of what it holds."""
_AWAKE = frozenset("RD")
_QUEUE, _INODE, _DROPS = 4, 9, 12
"""Columns of /proc/net/udp and /proc/net/udp6; see proc_net_udp(5)."""


@dataclass
class _Socket:
    """A socket of a WireGuard process; what the last look saw."""

    pid: int
    is_hub: bool
    drops: int = 0
    slept_since: int | None = None


class Queues:
    """Looks every 20 ms at what the sockets of WireGuard hold and have dropped, while ``with`` lasts.

    It sees nothing of the kernel's own WireGuard, which has no queue there. Only the hub's is watched for sleep.

    Args:
        hub: host that the hub runs on; None if that is out of reach.
        machines: host and link of each machine that sends or receives through the hub.
    """

    def __init__(self, hub: LabHost | None, machines: Sequence[tuple[LabHost, str]] = ()) -> None:
        self._hub = hub
        self._machines = machines
        self._hosts = [*([] if hub is None else [hub]), *(host for host, _ in machines)]
        self._sockets: dict[str, _Socket] = {}
        self._overflows: list[Overflow] = []
        self._sleeps: list[Span] = []
        self._late: list[Span] = []
        self._looked_ns = 0
        self._looking = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="hub-queues", daemon=True)

    def __enter__(self) -> Queues:
        if self._hub is not None:
            self._sockets = _sockets(self._hub, is_hub=True)
        for host, link in self._machines:
            self._sockets |= _sockets(host, link, is_hub=False)
        self._looked_ns = time.monotonic_ns()
        for inode, columns in self._rows():
            self._sockets[inode].drops = int(columns[_DROPS])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def log(self) -> QueueLog:
        """Looks once more, and returns what was seen so far."""
        with self._looking:
            self._look()
            return QueueLog(tuple(self._overflows), tuple(self._sleeps), tuple(self._late))

    def _look_on(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            with self._looking:
                self._look()

    def _look(self) -> None:
        since, self._looked_ns = self._looked_ns, time.monotonic_ns()
        dropped = 0
        for inode, columns in self._rows():
            seen = self._sockets[inode]
            drops = int(columns[_DROPS])
            dropped += drops - seen.drops
            seen.drops = drops
            filled = int(columns[_QUEUE].partition(":")[2], 16) >= _FILLED
            if not seen.is_hub or not filled or _is_awake(seen.pid):
                seen.slept_since = None
            elif seen.slept_since is None:
                # One look alone may meet a program between two packets.
                seen.slept_since = time.monotonic_ns()
            else:
                self._sleeps.append(Span(seen.slept_since, time.monotonic_ns()))
        now = time.monotonic_ns()
        if dropped:
            self._overflows.append(Overflow(Span(since, now), dropped))
        if now - since > _LATE_NS:
            self._late.append(Span(since, now))

    def _rows(self) -> list[tuple[str, list[str]]]:
        """Returns what /proc/net/udp and /proc/net/udp6 say of each watched socket, by inode."""
        listed = [Path(f"/proc/{host.pid}/net/{name}") for host in self._hosts for name in ("udp", "udp6")]
        # A machine without IPv6 lacks its file.
        files = [each.read_text(encoding="ascii") for each in listed if each.exists()]
        lines = (line for text in files for line in text.splitlines()[1:])
        rows = ((columns[_INODE], columns) for columns in map(str.split, lines))
        return [(inode, columns) for inode, columns in rows if inode in self._sockets]


def _sockets(host: LabHost, link: str | None = None, *, is_hub: bool) -> dict[str, _Socket]:
    """Finds the sockets of a host's WireGuard processes, by inode; with ``link``, of those that serve that link."""
    found = {}
    for pid in host.processes():
        folder = Path(f"/proc/{pid}")
        # A process that ends meanwhile has no sockets.
        with suppress(OSError):
            words = folder.joinpath("cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
            if Path(words[0]).name in USERSPACE.values() and link in (None, words[-1]):
                for entry in folder.joinpath("fd").iterdir():
                    kind, _, inode = os.readlink(entry).partition(":")  # noqa: PTH115 - it is no path
                    if kind == "socket":
                        found[inode.strip("[]")] = _Socket(pid, is_hub)
    return found


def _is_awake(pid: int) -> bool:
    """Tells whether a thread of a process runs or waits for a processor. A process that has ended does not sleep."""
    try:
        states = [
            each.joinpath("stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
            for each in Path(f"/proc/{pid}/task").iterdir()
        ]
    except OSError:
        return True
    return not _AWAKE.isdisjoint(states)
