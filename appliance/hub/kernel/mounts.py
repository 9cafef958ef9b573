"""Changes of the mounts that this process sees: a named namespace can't lose its name without one.

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
# Who takes a name away does it in two steps, and may give it to another namespace in a third.
_SETTLED_S = 0.05
# Rests so many times longer than a look takes: others' mounts are none of the hub's business, however many there are.
_REST = 30


class MountWatch:
    """Calls somebody after mounts have changed, once for changes that come close together.

    Args:
        changed: is called by a thread of this object's own.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._table = os.open(_TABLE, os.O_RDONLY | os.O_CLOEXEC)
        self._end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._wait, name="hub-mounts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends with the call that is under way."""
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
            # What changes from here on is told again.
            changes.poll(0)
            began = time.monotonic()
            try:
                self._changed()
            except Exception:
                # The next change matters as much.
                log.exception("a change of mounts was not looked at")
            if end.poll(_REST * (time.monotonic() - began) * 1000):
                return
