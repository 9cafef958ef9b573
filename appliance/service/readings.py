"""Readings of the data plane, shared by their callers: an organization's readings take at most a quarter of the hub's
time, for any number of callers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from appliance.sized_cache import SizedCache

T = TypeVar("T")

MOST = 256
MOST_ENTRIES = 100_000
"""Machines or rules of all kept readings together; each takes some 400 bytes."""
_TIMES = 3.0


@dataclass(frozen=True)
class Reading(Generic[T]):
    """A value read from the data plane.

    Attributes:
        began: when the reading began, in the clock's seconds; unique among an organization's readings.
        good_until: the reading is shared until then.
    """

    value: T
    began: float
    good_until: float


class Readings(Generic[T]):
    """Readings by organization; thread-safe.

    Callers share a reading while it is in progress, and afterwards for three times as long as it took. So a reading of
    a millisecond is never older than some milliseconds.

    Args:
        size: counts the entries of a value.
        most: readings that are kept, one for each organization.
        most_entries: entries of all kept readings; organizations with large ones lose theirs first.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        size: Callable[[T], int] = lambda _: 1,
        most: int = MOST,
        most_entries: int = MOST_ENTRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = size
        self._clock = clock
        self._kept: SizedCache[Reading[T]] = SizedCache(most, most_entries)
        self._flights: dict[str, Future[Reading[T]]] = {}
        self._lock = threading.Lock()

    def get(self, organization: str, read: Callable[[], T]) -> Reading[T]:
        """Get the shared reading, or read.

        Args:
            read: reads the value; its errors reach every caller that waits for the reading.
        """
        with self._lock:
            found = self._kept.get(organization)
            if found is not None and self._clock() < found.good_until:
                return found
            flight = self._flights.get(organization)
            if flight is None:
                mine: Future[Reading[T]] = Future()
                self._flights[organization] = mine
        return self._read(organization, read, mine) if flight is None else flight.result()

    def forget(self, organization: str) -> None:
        """Drop the organization's reading, also one in progress, because of a change."""
        with self._lock:
            self._kept.take(organization)
            self._flights.pop(organization, None)

    def _read(self, organization: str, read: Callable[[], T], flight: Future[Reading[T]]) -> Reading[T]:
        began = self._clock()
        try:
            value = read()
        except BaseException as error:
            self._land(organization, flight, None)
            flight.set_exception(error)
            raise
        ended = self._clock()
        reading = Reading(value, began, ended + _TIMES * (ended - began))
        self._land(organization, flight, reading)
        flight.set_result(reading)
        return reading

    def _land(self, organization: str, flight: Future[Reading[T]], reading: Reading[T] | None) -> None:
        with self._lock:
            if self._flights.get(organization) is not flight:
                return
            del self._flights[organization]
            if reading is not None:
                self._kept.keep(organization, reading, self._size(reading.value))

    @property
    def entries(self) -> int:
        """Entries of all kept readings."""
        return self._kept.size
