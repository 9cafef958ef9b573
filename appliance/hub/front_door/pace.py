"""Paces: bounds of how often something may happen."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """A bucket of turns that fills as time passes.

    Args:
        rate: turns per second.
        burst: turns that may be saved up; it begins with as many.
        clock: seconds.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def change(self, rate: float, burst: float) -> None:
        """Gives it another rate; turns that the larger burst has more are there at once."""
        self._fill()
        self._left = max(0.0, self._left + burst - self._burst)
        self._rate, self._burst = rate, burst

    def take(self) -> bool:
        """Takes a turn if there is one."""
        self._fill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def wait(self) -> float:
        """Seconds until there is a turn; 0 if there is one now."""
        self._fill()
        return 0.0 if self._left >= 1 else (1 - self._left) / self._rate + 0.001

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
