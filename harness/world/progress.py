"""Progress messages of a long task."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_TELL_EVERY = 10.0


class Progress:
    """Counts steps, from any thread.

    Args:
        total: number of steps.
        what: noun for the steps, in the plural.
        tell: takes a message every ten seconds, and one at the end.
    """

    def __init__(self, total: int, what: str, tell: Callable[[str], None]) -> None:
        self._total, self._what, self._tell = total, what, tell
        self._lock = threading.Lock()
        self._done = 0
        self._start = self._told = time.monotonic()

    def step(self) -> None:
        """Counts one step."""
        with self._lock:
            self._done += 1
            now = time.monotonic()
            if now - self._told < _TELL_EVERY and self._done < self._total:
                return
            self._told = now
            self._tell(f"{self._done} of {self._total} {self._what}, {self._done / (now - self._start):.1f}/s")
