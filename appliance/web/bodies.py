"""How much of request bodies may be on its way at once: what is announced counts until it is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.model.errors import Busy

SMALL = 64 * 2**10
"""Bytes; a body up to this length is bounded by the number of connections alone."""

_LARGE_AT_ONCE = 16
_LARGE_OF_ONE_ADDRESS = 4


class Budget:
    """Places for large bodies; for one thread, as an event loop is.

    Args:
        places: how many there are.
        places_of_one: how many one address may have.
    """

    def __init__(self, places: int = _LARGE_AT_ONCE, places_of_one: int = _LARGE_OF_ONE_ADDRESS) -> None:
        self._places = places
        self._places_of_one = places_of_one
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, address: str, length: int) -> Iterator[None]:
        """A place for a body of this many bytes from this address, while the block lasts.

        Raises:
            Busy: there is none.
        """
        if length <= SMALL:
            yield
            return
        if self._taken.total() >= self._places or self._taken[address] >= self._places_of_one:
            raise Busy("Too many large bodies are on their way. Try again in a second.", retry_after=1)
        self._taken[address] += 1
        try:
            yield
        finally:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]
