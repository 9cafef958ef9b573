"""Places for work, of which each of those that share them may hold a part."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Hashable


class SharedPlaces:
    """Bounded number of places, so that nobody can hold all of them; thread-safe.

    Whoever holds its part takes no further place, however often it tries. So it takes several of them to leave none for
    the others.

    Args:
        most: places altogether.
        most_of_one: most that one holds.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._held: Counter[Hashable] = Counter()
        self._changed = threading.Condition()

    def take(self, who: Hashable, wait_s: float = 0.0) -> bool:
        """Take a place; False if there was none.

        Args:
            wait_s: longest wait for one, in seconds.
        """
        until = time.monotonic() + wait_s
        with self._changed:
            while self._held[who] >= self._most_of_one or self._held.total() >= self._most:
                left = until - time.monotonic()
                if left <= 0:
                    self._forget(who)
                    return False
                self._changed.wait(left)
            self._held[who] += 1
            return True

    def give_back(self, who: Hashable) -> None:
        """Give a place back that was taken."""
        with self._changed:
            self._held[who] -= 1
            self._forget(who)
            self._changed.notify_all()

    def _forget(self, who: Hashable) -> None:
        if not self._held[who]:
            del self._held[who]
