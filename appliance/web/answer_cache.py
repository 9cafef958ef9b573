"""Cache of long answers that are equal for all callers: encoded once, and kept as bytes within a limit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class EncodedAnswer:
    """An encoded answer with the version of its content."""

    version: Hashable
    data: bytes


class AnswerCache:
    """Least recently used cache with the last answer for each key; thread-safe.

    Args:
        most_bytes: limit for all answers together.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._size = 0
        self._kept: OrderedDict[Hashable, EncodedAnswer] = OrderedDict()
        self._flights: dict[tuple[Hashable, Hashable], Future[EncodedAnswer]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, version: Hashable, make: Callable[[], EncodedAnswer]) -> EncodedAnswer:
        """Get the answer of this version or a newer one; one of several simultaneous callers makes it.

        Args:
            make: makes the newest answer.
        """
        with self._lock:
            found = self._kept.get(key)
            if found is not None and found.version == version:
                self._kept.move_to_end(key)
                return found
            flight = self._flights.get((key, version))
            if flight is None:
                mine: Future[EncodedAnswer] = Future()
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

    def _keep(self, key: Hashable, made: EncodedAnswer) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._size += len(made.data) - (0 if before is None else len(before.data))
            self._kept[key] = made
            while self._size > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped.data)
