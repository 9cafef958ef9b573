"""What is read of the data plane, shared among those who ask for it: an organization's questions take at most a quarter
of the hub's time, however many ask."""

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
    """What was read, and when the reading began, in the clock's seconds; no two of an organization have the same."""

    value: T
    began: float
    good_until: float


class Readings(Generic[T]):
    """Readings by organization; safe to share between threads.

    Whoever asks while a reading is under way gets that one, and whoever asks within three times the time that it took
    afterwards gets it too. What takes a millisecond is so never older than some milliseconds.

    Args:
        most: how many organizations' readings are kept.
        clock: seconds that only grow.
    """

    def __init__(self, most: int = _MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[str, Reading[T]] = OrderedDict()
        self._flights: dict[str, Future[Reading[T]]] = {}
        self._lock = threading.Lock()

    def get(self, organization: str, read: Callable[[], T]) -> Reading[T]:
        """What is known; else what ``read`` gives.

        Raises:
            HubError: as ``read`` does; everybody who waits for the same reading gets the same error.
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
        """What was read before now, or is being read, is nobody's answer any more: something was changed."""
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
