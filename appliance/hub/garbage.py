"""Shorter pauses for garbage collection.

A full collection looks at all that a process keeps, and stops all of it meanwhile: with five hundred organizations for
80 ms, some times a minute while they change. Nearly all of it stays.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_EVERYTHING_S = 3600.0
_OLDEST = 2


@contextmanager
def survivors_frozen(clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Exclude objects that survived a full collection from the next ones (`gc.freeze`), except once an hour.

    Args:
        clock: monotonic seconds.
    """
    on_collection = _Freezer(clock).on_collection
    gc.collect()
    gc.freeze()
    gc.callbacks.append(on_collection)
    try:
        yield
    finally:
        gc.callbacks.remove(on_collection)
        gc.unfreeze()


class _Freezer:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked_at_everything = clock()
        self._is_next = False

    def on_collection(self, phase: str, collection: dict[str, Any]) -> None:
        if phase != "stop" or collection["generation"] != _OLDEST:
            return
        if self._is_next:
            self._is_next, self._looked_at_everything = False, self._clock()
        elif self._clock() - self._looked_at_everything > _EVERYTHING_S:
            self._is_next = True
            gc.unfreeze()
            return
        gc.freeze()
