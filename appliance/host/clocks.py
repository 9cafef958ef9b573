"""The host's clocks: the wall clock, which can be set, and that of its boot, which can't."""

from __future__ import annotations

import functools
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_DAY_S = 86_400.0
# A clock that is slowly corrected gains less between two looks, which are a minute apart.
_SLEWED_S = 1.0


def boottime() -> float:
    """Seconds since the boot, including suspends."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@functools.cache
def boot_id(file: Path = _BOOT_ID) -> str:
    """Id of the boot that `boottime` counts from.

    If this process can't read the host's id, it gets a random one, so that stored values of `boottime` are treated like
    those of another boot.

    Args:
        file: the kernel's file with the id.
    """
    try:
        return file.read_text().strip()
    except OSError:
        return str(uuid.uuid4())


@dataclass(frozen=True)
class HostClocks:
    """The clocks that a process of the service reads.

    Attributes:
        wall: seconds since the epoch; set back or forward by operators and time servers.
        steady: seconds since the boot, including suspends; never set.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = boottime

    def now(self) -> datetime:
        """The wall clock's time, in UTC."""
        return datetime.fromtimestamp(self.wall(), timezone.utc)

    def ahead(self) -> float:
        """Seconds by which the wall clock is ahead of the other; they change when it is set."""
        return self.wall() - self.steady()


HOST = HostClocks()
"""The clocks of this host."""


class Unhurried:
    """Time for removals that can't be undone: a wall clock that is set forward is believed a day later.

    Until then it goes on from the time before, so that a clock that is ahead for some hours makes nothing old.

    Args:
        clocks: clocks of the host.
        believed: seconds by which a process before this one believed the wall clock to be ahead of that of the boot;
            None to believe the wall clock as it is.
    """

    def __init__(self, clocks: HostClocks = HOST, believed: float | None = None) -> None:
        self._clocks = clocks
        self._lock = threading.Lock()
        self._believed = clocks.ahead() if believed is None else believed
        self._ahead_since: float | None = None

    @property
    def believed(self) -> float:
        """Seconds by which the wall clock is believed to be ahead of that of the boot."""
        self.now()
        return self._believed

    def now(self) -> datetime:
        """The time, in UTC."""
        steady = self._clocks.steady()
        offset = self._clocks.wall() - steady
        with self._lock:
            if offset <= self._believed + _SLEWED_S:
                self._believed, self._ahead_since = offset, None
            elif self._ahead_since is None:
                self._ahead_since = steady
            elif steady - self._ahead_since >= _DAY_S:
                self._believed, self._ahead_since = offset, None
            return datetime.fromtimestamp(steady + self._believed, timezone.utc)
