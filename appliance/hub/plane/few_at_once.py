"""Places for work that members ask the hub for, bounded for each organization and for all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.hub.errors import Crowded, HubError
from appliance.model.plural import counted


class FewAtOnce:
    """Admit one piece of work of an organization at a time, and a few of all, and count how it ends. Thread-safe.

    Args:
        most: most at a time.
        name: of the work in a refusal, such as "ping".
        outcomes: of work that did not fail.
        retry_after: seconds until another try makes sense.
    """

    def __init__(self, most: int, name: str, *outcomes: str, retry_after: int) -> None:
        self._most = most
        self._name = name
        self._retry_after = retry_after
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self._counts = Counter(dict.fromkeys((*outcomes, "failed", "refused"), 0))

    @contextmanager
    def turn(self, organization: str) -> Iterator[None]:
        """Keep a place for the length of the block, whose work has failed if it raises `HubError`.

        Raises:
            Crowded: work of the organization is running, or too much of all.
        """
        with self._lock:
            if organization in self._running or len(self._running) >= self._most:
                self._counts["refused"] += 1
                whose = "your organization" if organization in self._running else "others"
                raise Crowded(
                    f"A {self._name} of {whose} is running. Try again in {counted(self._retry_after, 'second')}.",
                    retry_after=self._retry_after,
                )
            self._running.add(organization)
        try:
            yield
        except HubError:
            self.note("failed")
            raise
        finally:
            with self._lock:
                self._running.discard(organization)

    def note(self, outcome: str) -> None:
        """Count an outcome."""
        with self._lock:
            self._counts[outcome] += 1

    def figures(self) -> dict[str, int]:
        """Numbers since the start, by outcome."""
        with self._lock:
            return dict(self._counts)
