"""Places for work that members ask the hub for, bounded for each organization and for all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.hub.errors import Crowded
from appliance.model.plural import counted


class FewAtOnce:
    """Admit one piece of work of an organization at a time, and a few of all. Thread-safe.

    Args:
        most: most at a time.
        name: of the work in a refusal, such as "ping".
        retry_after: seconds until another try makes sense.
    """

    def __init__(self, most: int, name: str, *, retry_after: int) -> None:
        self._most = most
        self._name = name
        self._retry_after = retry_after
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self._refused = 0

    @property
    def refused(self) -> int:
        """Number of refusals since the start."""
        return self._refused

    @contextmanager
    def turn(self, organization: str) -> Iterator[None]:
        """Keep a place for the length of the block.

        Raises:
            Crowded: work of the organization is running, or too much of all.
        """
        with self._lock:
            if organization in self._running or len(self._running) >= self._most:
                self._refused += 1
                whose = "your organization" if organization in self._running else "others"
                raise Crowded(
                    f"A {self._name} of {whose} is running. Try again in {counted(self._retry_after, 'second')}.",
                    retry_after=self._retry_after,
                )
            self._running.add(organization)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(organization)
