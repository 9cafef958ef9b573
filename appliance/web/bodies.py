"""How much of request bodies may be on its way at once: what is announced counts until it is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.model.errors import TooMany

SMALL = 64 * 2**10
"""Bytes; a body up to this length is bounded by the number of connections alone."""

_LARGE_AT_ONCE = 32
_LARGE_OF_ONE = 4


class Budget:
    """Places for large bodies; for one thread, as an event loop is.

    Args:
        places: how many there are.
        places_of_one: how many one sender may have.
    """

    def __init__(self, places: int = _LARGE_AT_ONCE, places_of_one: int = _LARGE_OF_ONE) -> None:
        self._places = places
        self._places_of_one = places_of_one
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, sender: str) -> Iterator[None]:
        """A place for a large body of this sender, while the block lasts.

        Raises:
            TooMany: there is none.
        """
        if self._taken[sender] >= self._places_of_one:
            raise TooMany("Too many large bodies of yours are on their way. Try again in a second.", retry_after=1)
        if self._taken.total() >= self._places:
            raise TooMany("Too many large bodies are on their way. Try again in a second.", retry_after=1)
        self._taken[sender] += 1
        try:
            yield
        finally:
            self._taken[sender] -= 1
            if not self._taken[sender]:
                del self._taken[sender]
