"""Resources of the host that all organizations share: how much is used, and how much there is."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

RESERVED_PART = 20
"""One part in so many of each resource is kept for those that use it already."""
_MEASURED_EVERY_S = 10.0


@dataclass(frozen=True)
class Resources:
    """Numbers by resource.

    Attributes:
        used: open ``files`` of this process, ``threads`` on the host, bytes of its ``memory`` that are in use.
        room: the most that there may be of each.
    """

    used: dict[str, int] = field(default_factory=dict)
    room: dict[str, int] = field(default_factory=dict)

    @property
    def scarce(self) -> tuple[str, ...]:
        """Names of the resources of which less is left than what is kept."""
        return tuple(name for name, room in self.room.items() if room - self.used.get(name, 0) < room // RESERVED_PART)


class SharedResources:
    """Measures what this process and the host have in use, once in ten seconds at most; thread-safe.

    Args:
        proc: where the kernel tells it (proc(5)).
        clock: monotonic time in seconds.
    """

    def __init__(self, proc: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic) -> None:
        self._proc = proc
        self._clock = clock
        self._lock = threading.Lock()
        self._measured_at = -_MEASURED_EVERY_S
        self._latest = Resources()

    def measure(self) -> Resources:
        """Measure anew, or return the latest measurement if it is recent.

        A resource that can't be read is left out: containers hide some.
        """
        with self._lock:
            if self._clock() - self._measured_at < _MEASURED_EVERY_S:
                return self._latest
            self._measured_at = self._clock()
            used, room = {}, {}
            for name, measure in (("files", self._files), ("threads", self._threads), ("memory", self._memory)):
                try:
                    used[name], room[name] = measure()
                except (OSError, KeyError, ValueError, IndexError):
                    continue
            self._latest = Resources(used, room)
            return self._latest

    def _files(self) -> tuple[int, int]:
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return sum(1 for _ in (self._proc / "self" / "fd").iterdir()), most

    def _threads(self) -> tuple[int, int]:
        # Running and all threads (proc(5), loadavg). Each has a number of its own.
        _, _, total = (self._proc / "loadavg").read_text().split()[3].partition("/")
        limits = [(self._proc / "sys" / "kernel" / name).read_text() for name in ("pid_max", "threads-max")]
        return int(total), min(map(int, limits))

    def _memory(self) -> tuple[int, int]:
        lines = (line.split() for line in (self._proc / "meminfo").read_text().splitlines())
        kilobytes = {words[0].rstrip(":"): int(words[1]) for words in lines}
        whole = kilobytes["MemTotal"]
        return 1024 * (whole - kilobytes["MemAvailable"]), 1024 * whole
