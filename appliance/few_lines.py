"""Log lines about what callers can cause as often as they like."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class FewLines:
    """Writes a few lines in a while; the next one tells how many were left out. Thread-safe.

    Args:
        most: most lines within ``every_s``.
        every_s: seconds.
        clock: monotonic seconds.
    """

    def __init__(self, most: int, every_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        self._written = 0
        self._left_out = 0

    def write(self, write: Callable[..., object], event: str, **facts: Any) -> None:
        """Write a line, unless there were too many lately.

        Args:
            write: method of the log, such as its ``warning``.
        """
        left_out = self._taken()
        if left_out is not None:
            write(event, **facts, **({"left_out": left_out} if left_out else {}))

    def _taken(self) -> int | None:
        """Take the place of a line; returns the number of lines left out before it, or None without a place."""
        with self._lock:
            now = self._clock()
            if now - self._began >= self._every_s:
                self._began, self._written = now, 0
            if self._written >= self._most:
                self._left_out += 1
                return None
            self._written += 1
            left_out, self._left_out = self._left_out, 0
        return left_out
