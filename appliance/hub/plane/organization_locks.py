"""Locks of organizations, each of which exists only while somebody holds or awaits it.

Callers of the hub may name any organization, also one that does not exist. No name leaves anything behind.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from appliance.hub.errors import Occupied


@dataclass
class _SharedLock:
    """A lock, and the number of threads that hold or await it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    threads: int = 0


class OrganizationLocks:
    """One lock for each organization; any thread may use it."""

    def __init__(self) -> None:
        self._locks: dict[str, _SharedLock] = {}
        # Held for a moment, and never while a thread waits for an organization.
        self._choosing = threading.Lock()

    def __len__(self) -> int:
        """Number of organizations whose lock somebody holds or awaits."""
        return len(self._locks)

    @contextmanager
    def holding(self, organization: str, patience_s: float | None = None) -> Iterator[None]:
        """Hold the organization's lock for the length of the block.

        Args:
            patience_s: longest wait in seconds; None for any.

        Raises:
            Occupied: the wait was too long.
        """
        with self._choosing:
            shared = self._locks.setdefault(organization, _SharedLock())
            shared.threads += 1
        try:
            if not shared.lock.acquire(timeout=-1 if patience_s is None else patience_s):
                raise Occupied("the organization is being changed")
            try:
                yield
            finally:
                shared.lock.release()
        finally:
            with self._choosing:
                shared.threads -= 1
                if not shared.threads:
                    del self._locks[organization]

    def await_all(self) -> None:
        """Wait for everybody who holds a lock now."""
        with self._choosing:
            held = tuple(self._locks)
        for organization in held:
            with self.holding(organization):
                pass
