"""One queue for each organization: its changes are made one after the other, and wait for nobody else's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.model.errors import TooMany

_MOST = 9
_PATIENCE_S = 10.0


class Queues:
    """Gives each organization's changes their turns, in the order in which they came.

    A change waits in a thread of the web process, so the places are few: what finds none is refused, and so is what
    waited too long. Threads that one organization's slow changes could hold are bounded that way.

    Args:
        most: changes of one organization at a time, the one at work included.
        patience_s: how long a change waits for those before it; seconds.
    """

    def __init__(self, most: int = _MOST, patience_s: float = _PATIENCE_S) -> None:
        self._most = most
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[threading.Event]] = {}

    @contextmanager
    def turn(self, organization: str) -> Iterator[None]:
        """Waits for its turn; as long as the block lasts, no other change of the organization has one.

        Raises:
            TooMany: there is no place, or the turn did not come in time.
        """
        mine = threading.Event()
        with self._lock:
            queue = self._waiting.setdefault(organization, deque())
            if len(queue) >= self._most:
                raise TooMany(
                    f"Your organization has {len(queue)} changes under way already. Try again when they are done.",
                    retry_after=1,
                )
            queue.append(mine)
            queue[0].set()
        try:
            if not mine.wait(self._patience_s):
                raise TooMany(
                    f"Earlier changes of your organization took more than {self._patience_s:.0f} seconds; "
                    "this one was not made.",
                    retry_after=1,
                )
            yield
        finally:
            with self._lock:
                queue.remove(mine)
                if queue:
                    queue[0].set()
                else:
                    del self._waiting[organization]
