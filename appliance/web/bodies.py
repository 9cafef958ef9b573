"""Limit on the large request bodies that are in memory at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.model.errors import TooMany

SMALL = 64 * 2**10
"""Largest body in bytes that needs no place: the number of connections limits these."""

_LARGE_AT_ONCE = 32
_LARGE_OF_ONE = 4


class Budget:
    """Places for large bodies; not thread-safe: for one event loop.

    The last half of the places goes to senders that hold none, so that a few senders can't take all of them.

    Args:
        places: number of places.
        places_of_one: most places of one sender.
    """

    def __init__(self, places: int = _LARGE_AT_ONCE, places_of_one: int = _LARGE_OF_ONE) -> None:
        self._places = places
        self._places_of_one = places_of_one
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, sender: str) -> Iterator[None]:
        """Hold a place for a sender's large body during the block.

        Raises:
            TooMany: no place is free.
        """
        free = self._places - self._taken.total()
        if self._taken[sender] >= (self._places_of_one if 2 * free > self._places else 1):
            raise TooMany("Too many large bodies of yours are on their way. Try again in a second.", retry_after=1)
        if not free:
            raise TooMany("Too many large bodies are on their way. Try again in a second.", retry_after=1)
        self._taken[sender] += 1
        try:
            yield
        finally:
            self._taken[sender] -= 1
            if not self._taken[sender]:
                del self._taken[sender]
