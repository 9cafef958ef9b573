"""Keyed requests that this process works on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Underway:
    """Keys of requests in progress; no more than this process has threads."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def working_on(self, key: str) -> Iterator[bool]:
        """Hold a key during the block; yields False if another thread holds it."""
        with self._lock:
            is_alone = key not in self._keys
            self._keys.add(key)
        try:
            yield is_alone
        finally:
            if is_alone:
                with self._lock:
                    self._keys.discard(key)
