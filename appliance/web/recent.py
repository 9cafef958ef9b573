"""Results of expensive work, shared by all callers within a second."""

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
    """Last result of some work, renewed by one thread at a time when it is too old.

    Other callers wait for that thread, but not for long: work that hangs would otherwise block every thread of the
    process.

    Args:
        make: does the work.
        patience: longest wait for another thread's work, in seconds.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        make: Callable[[], T],
        *,
        patience: float = _PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._patience = patience
        self._clock = clock
        self._working = threading.Lock()
        self._last: tuple[float, T] | None = None

    def get(self) -> T:
        """Get the result, or do the work.

        Raises:
            Busy: another thread's work took too long.
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
        return self._clock() - made_at < _KEPT_S
