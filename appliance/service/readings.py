"""Readings of the data plane, shared by their callers: an organization's readings take at most a quarter of the hub's
time, for any number of callers."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST = 256
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
        most: readings that are kept, one for each organization.
        clock: monotonic time in seconds.
    """

    def __init__(self, most: int = _MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[str, Reading[T]] = OrderedDict()
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
            self._kept.pop(organization, None)
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
                self._kept[organization] = reading
                self._kept.move_to_end(organization)
                if len(self._kept) > self._most:
                    self._kept.popitem(last=False)
