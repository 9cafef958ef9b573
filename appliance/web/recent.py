"""An answer that costs something, made once for everybody who asks within a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from appliance.model.errors import Busy

T = TypeVar("T")

_KEPT_S = 1.0
_PATIENCE_S = 2.0


class Recent(Generic[T]):
    """The last result of some work, which one thread at a time renews when it is too old.

    Threads that come meanwhile wait for that one, so that many callers cost as much as one. They do not wait for long:
    work that hangs would otherwise take every thread of the process.

    Args:
        make: the work.
        seconds: how long a result is handed out.
        patience: seconds that a caller waits for another one's work.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        make: Callable[[], T],
        *,
        seconds: float = _KEPT_S,
        patience: float = _PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._seconds = seconds
        self._patience = patience
        self._clock = clock
        self._working = threading.Lock()
        self._last: tuple[float, T] | None = None

    def get(self) -> T:
        """The result, at most so many seconds old.

        Raises:
            Busy: another thread has worked on it for longer than a caller waits.
        """
        last = self._last
        if last is not None and self._is_young(last[0]):
            return last[1]
        if not self._working.acquire(timeout=self._patience):
            raise Busy("This is being looked into, which takes longer than usual. Try again.", retry_after=1)
        try:
            last = self._last
            if last is None or not self._is_young(last[0]):
                last = self._last = (self._clock(), self._make())
            return last[1]
        finally:
            self._working.release()

    def _is_young(self, made_at: float) -> bool:
        return self._clock() - made_at < self._seconds
