"""Token buckets."""

from __future__ import annotations

import time
from collections.abc import Callable


class TokenBucket:
    """A token bucket.

    Args:
        rate: tokens per second.
        burst: size of the bucket, which starts full.
        clock: seconds.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def change(self, rate: float, burst: float) -> None:
        """Change rate and burst; a larger burst adds its additional tokens at once."""
        self._fill()
        self._left = max(0.0, self._left + burst - self._burst)
        self._rate, self._burst = rate, burst

    def take(self) -> bool:
        """Take a token, if there is one; tell whether there was."""
        self._fill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def wait(self) -> float:
        """Seconds until there is a token; 0 if there is one now."""
        self._fill()
        return 0.0 if self._left >= 1 else (1 - self._left) / self._rate + 0.001

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
