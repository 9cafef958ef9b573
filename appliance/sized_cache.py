"""Cache that is limited in number and in size, so that a few large entries neither fill memory nor push others out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class SizedCache(Generic[V]):
    """Least recently used cache by name; thread-safe.

    Beyond the number, the entry that was used longest ago is dropped. Beyond the size, that one is dropped among the
    entries of at least average size. So whoever fills the cache with large entries loses these, and small ones of
    others stay.

    Args:
        most: number of entries that are kept.
        most_size: size of all entries together, in the caller's unit. A larger entry is not kept.
    """

    def __init__(self, most: int, most_size: int) -> None:
        self._most = most
        self._most_size = most_size
        self._size = 0
        # In the order of their last use.
        self._kept: OrderedDict[str, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Size of all entries together."""
        return self._size

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: str) -> V | None:
        """Find an entry; None if it is not kept."""
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                return None
            self._kept.move_to_end(name)
            return found[0]

    def keep(self, name: str, value: V, size: int) -> None:
        """Keep an entry instead of the one of this name, and drop what is too much then."""
        with self._lock:
            self._drop(name)
            self._kept[name] = value, size
            self._size += size
            if len(self._kept) > self._most:
                self._drop(next(iter(self._kept)))
            while self._size > self._most_size:
                average = self._size / len(self._kept)
                self._drop(next(name for name, (_, size) in self._kept.items() if size >= average))

    def take(self, name: str) -> V | None:
        """Drop an entry and return it; None if it was not kept."""
        with self._lock:
            return self._drop(name)

    def _drop(self, name: str) -> V | None:
        found = self._kept.pop(name, None)
        if found is None:
            return None
        self._size -= found[1]
        return found[0]
