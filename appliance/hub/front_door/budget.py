"""Bound on the work that strangers can cause."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ProcessorBudget:
    """A share of wall time that the calling thread may spend as processor time.

    Args:
        share: part of wall time, 0 to 1.
        saved_s: most processor time that can be saved up.
        clock: wall time in seconds.
        worked: processor time of the calling thread in seconds.
    """

    def __init__(
        self,
        share: float,
        saved_s: float,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self._share = share
        self._most = saved_s
        self._clock = clock
        self._worked = worked
        self._left = saved_s
        self._at = clock()

    def wait(self) -> float:
        """Seconds until the budget is positive; 0 if it is now."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._share)
        self._at = now
        return 0.0 if self._left > 0 else -self._left / self._share + 0.001

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Charge the block's processor time. The budget may become negative, which later work waits out."""
        start = self._worked()
        try:
            yield
        finally:
            self._left -= self._worked() - start
