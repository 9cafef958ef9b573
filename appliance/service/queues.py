"""Queues of changes, one for each organization, so that organizations don't wait for each other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.model.errors import TooMany

_MOST = 9
_PATIENCE_S = 10.0


class Queues:
    """Queue for the changes of each organization, first come, first served.

    A waiting change holds a thread of the web process, so places and waiting time are limited, and changes beyond are
    refused.

    Args:
        most: changes of one organization at a time, including the running one.
        patience_s: longest wait of a change, in seconds.
    """

    def __init__(self, most: int = _MOST, patience_s: float = _PATIENCE_S) -> None:
        self._most = most
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[threading.Event]] = {}

    @contextmanager
    def turn(self, organization: str) -> Iterator[None]:
        """Wait for the turn of a change, and run the block alone among the organization's changes.

        Raises:
            TooMany: the queue is full, or the turn did not come in time.
        """
        mine = threading.Event()
        with self._lock:
            queue = self._waiting.setdefault(organization, deque())
            if len(queue) >= self._most:
                raise TooMany(
                    "Your organization has {count} changes in progress already. Try again when they are done.",
                    retry_after=1,
                    count=len(queue),
                )
            queue.append(mine)
            queue[0].set()
        try:
            if not mine.wait(self._patience_s):
                raise TooMany(
                    "Earlier changes of your organization took more than {seconds:.0f} seconds; this one was not made.",
                    retry_after=1,
                    seconds=self._patience_s,
                )
            yield
        finally:
            with self._lock:
                queue.remove(mine)
                if queue:
                    queue[0].set()
                else:
                    del self._waiting[organization]
