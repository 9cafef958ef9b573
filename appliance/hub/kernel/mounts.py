"""Changes of this process's mounts: a namespace can't lose its name without one.

Source: proc_pid_mountinfo(5), which is told by poll(2) since Linux 2.6.30.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_TABLE = "/proc/self/mountinfo"
# Time for the mount events of one renaming: two that take the name away, and one that gives it again.
_SETTLED_S = 0.05
# The pause is this many times as long as a look, so that many mounts of other programs cost little.
_REST = 30


class MountWatch:
    """Reports changes of mounts, those that come close together only once.

    Args:
        on_change: called by a thread of this object.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._table = os.open(_TABLE, os.O_RDONLY | os.O_CLOEXEC)
        self._end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._wait, name="hub-mounts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching, after a running call has returned."""
        os.eventfd_write(self._end, 1)
        self._thread.join()
        os.close(self._table)
        os.close(self._end)

    def _wait(self) -> None:
        changes, end = select.poll(), select.poll()
        changes.register(self._table, select.POLLPRI)
        for each in (changes, end):
            each.register(self._end, select.POLLIN)
        while self._end not in dict(changes.poll()):
            if end.poll(_SETTLED_S * 1000):
                return
            # Later changes are reported again.
            changes.poll(0)
            began = time.monotonic()
            try:
                self._on_change()
            except Exception:
                # The thread has to survive for the next change.
                log.exception("a change of mounts could not be handled")
            if end.poll(_REST * (time.monotonic() - began) * 1000):
                return
