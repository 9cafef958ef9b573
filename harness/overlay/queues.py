"""Watch over the queues of the processors, and of the userspace WireGuard of the hub and of machines."""

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
_BACKLOG = Path("/proc/net/softnet_stat")
"""A line for each processor. The second number is what its queue dropped, in all network namespaces together."""


@dataclass
class _Socket:
    """A socket of a WireGuard process; what the last look saw."""

    pid: int
    is_hub: bool
    drops: int = 0
    slept_since: int | None = None


class Queues:
    """Looks every 20 ms at what processors and the sockets of WireGuard have dropped, while ``with`` lasts.

    It sees nothing of the kernel's own WireGuard, which has no queue there. Only the hub's is watched for sleep. A
    WireGuard that is started again has other sockets, which are found at the next look.

    Args:
        hub: host that the hub runs on; None if that is out of reach.
        machines: host and link of each machine that sends or receives through the hub.
    """

    def __init__(self, hub: LabHost | None, machines: Sequence[tuple[LabHost, str]] = ()) -> None:
        self._hub = hub
        self._machines = machines
        self._hosts = [*([] if hub is None else [hub]), *(host for host, _ in machines)]
        self._sockets: dict[str, _Socket] = {}
        self._most = 0
        self._overflows: list[Overflow] = []
        self._backlogs: list[Overflow] = []
        self._backlog = 0
        self._sleeps: list[Span] = []
        self._late: list[Span] = []
        self._looked_ns = 0
        self._looking = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="hub-queues", daemon=True)

    def __enter__(self) -> Queues:
        self._find_sockets()
        self._looked_ns, self._backlog = time.monotonic_ns(), _backlog_drops()
        rows = self._rows()
        for inode, seen in self._sockets.items():
            seen.drops = int(rows[inode][_DROPS])
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
            return QueueLog(tuple(self._overflows), tuple(self._sleeps), tuple(self._late), tuple(self._backlogs))

    def _find_sockets(self) -> None:
        found = {} if self._hub is None else _sockets(self._hub, is_hub=True)
        for host, link in self._machines:
            found |= _sockets(host, link, is_hub=False)
        # They have sockets of other kinds, too.
        self._sockets = {inode: self._sockets.get(inode, found[inode]) for inode in self._rows() if inode in found}
        self._most = max(self._most, len(self._sockets))

    def _look_on(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            with self._looking:
                self._look()

    def _look(self) -> None:
        since, self._looked_ns = self._looked_ns, time.monotonic_ns()
        rows, dropped = self._rows(), 0
        if len(self._sockets) < self._most or not self._sockets.keys() <= rows.keys():
            self._find_sockets()
            rows = self._rows()
        for inode, seen in self._sockets.items():
            # A program may have ended just now.
            if (columns := rows.get(inode)) is None:
                continue
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
        before, self._backlog = self._backlog, _backlog_drops()
        now = time.monotonic_ns()
        if dropped:
            self._overflows.append(Overflow(Span(since, now), dropped))
        if self._backlog > before:
            self._backlogs.append(Overflow(Span(since, now), self._backlog - before))
        if now - since > _LATE_NS:
            self._late.append(Span(since, now))

    def _rows(self) -> dict[str, list[str]]:
        """Returns what /proc/net/udp and /proc/net/udp6 say of each socket of the hosts, by inode."""
        listed = [Path(f"/proc/{host.pid}/net/{name}") for host in self._hosts for name in ("udp", "udp6")]
        # A machine without IPv6 lacks its file.
        files = [each.read_text(encoding="ascii") for each in listed if each.exists()]
        lines = (line for text in files for line in text.splitlines()[1:])
        return {columns[_INODE]: columns for columns in map(str.split, lines)}


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


def _backlog_drops() -> int:
    return sum(int(line.split()[1], 16) for line in _BACKLOG.read_text(encoding="ascii").splitlines())


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
