"""Answers that are long and the same for everybody who asks: encoded once, and kept as bytes within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Answer:
    """An encoded answer, and the version of what it tells."""

    version: Hashable
    data: bytes


class Answers:
    """The last answer for each key; safe to share between threads.

    Args:
        most_bytes: of all answers that are kept; those that were asked for last stay.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._size = 0
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self._flights: dict[tuple[Hashable, Hashable], Future[Answer]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, version: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer of this version, or a newer one; of those who ask at the same time one makes it.

        Args:
            make: gives what is the newest when it is called.
        """
        with self._lock:
            found = self._kept.get(key)
            if found is not None and found.version == version:
                self._kept.move_to_end(key)
                return found
            flight = self._flights.get((key, version))
            if flight is None:
                mine: Future[Answer] = Future()
                self._flights[key, version] = mine
        if flight is not None:
            return flight.result()
        try:
            made = make()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(made)
            self._keep(key, made)
            return made
        finally:
            with self._lock:
                del self._flights[key, version]

    def _keep(self, key: Hashable, made: Answer) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._size += len(made.data) - (0 if before is None else len(before.data))
            self._kept[key] = made
            while self._size > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped.data)
