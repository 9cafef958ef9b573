"""Places for work that members ask the hub for, bounded for each organization and for all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.hub.errors import Crowded, HubError
from appliance.model.plural import counted

_MOST_REMEMBERED = 1000


class FewAtOnce:
    """Admit one piece of work of an organization at a time, and a few of all, and count how it ends. Thread-safe.

    A few others wait, each of which holds a thread of its caller. A place goes to the organization that had none for
    the longest time, and if too many wait, the one that had one last is refused. So organizations that ask all the time
    keep no other one out.

    Args:
        most: most at a time.
        waiting: most that wait.
        name: of the work in a refusal, such as "ping".
        outcomes: of work that did not fail.
        retry_after: seconds until another try makes sense.
        patience_s: longest wait for a place in seconds.
    """

    def __init__(self, most: int, waiting: int, name: str, *outcomes: str, retry_after: int, patience_s: float) -> None:
        self._most = most
        self._most_waiting = waiting
        self._name = name
        self._retry_after = retry_after
        self._patience_s = patience_s
        self._running: set[str] = set()
        self._waiting: list[str] = []
        # Number of the latest place of each organization, in their order.
        self._had: dict[str, int] = {}
        self._numbers = 0
        self._changed = threading.Condition()
        self._counts = Counter(dict.fromkeys((*outcomes, "failed", "refused"), 0))

    @property
    def running(self) -> frozenset[str]:
        """Organizations whose work is running."""
        with self._changed:
            return frozenset(self._running)

    @property
    def waiting(self) -> int:
        """Number of organizations that wait for a place."""
        return len(self._waiting)

    @contextmanager
    def turn(self, organization: str) -> Iterator[None]:
        """Keep a place for the length of the block, whose work has failed if it raises `HubError`.

        Raises:
            Crowded: work of the organization is running or waits, or there was no place in time.
        """
        with self._changed:
            if organization in self._running or organization in self._waiting:
                raise self._refusal("your organization")
            self._waiting.append(organization)
            self._hand_out()
            if len(self._waiting) > self._most_waiting:
                # Of several that had none, the last to come.
                self._waiting.remove(max(reversed(self._waiting), key=self._had_at))
                self._changed.notify_all()
            self._changed.wait_for(lambda: organization not in self._waiting, self._patience_s)
            if organization not in self._running:
                if organization in self._waiting:
                    self._waiting.remove(organization)
                raise self._refusal("others")
        try:
            yield
        except HubError:
            self.note("failed")
            raise
        finally:
            with self._changed:
                self._running.discard(organization)
                self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and len(self._running) < self._most:
            organization = min(self._waiting, key=self._had_at)
            self._waiting.remove(organization)
            self._running.add(organization)
            self._had.pop(organization, None)
            self._numbers += 1
            self._had[organization] = self._numbers
            if len(self._had) > _MOST_REMEMBERED:
                del self._had[next(iter(self._had))]
        self._changed.notify_all()

    def _had_at(self, organization: str) -> int:
        return self._had.get(organization, 0)

    def _refusal(self, whose: str) -> Crowded:
        self._counts["refused"] += 1
        return Crowded(
            f"A {self._name} of {whose} is running. Try again in {counted(self._retry_after, 'second')}.",
            retry_after=self._retry_after,
        )

    def note(self, outcome: str) -> None:
        """Count an outcome."""
        with self._changed:
            self._counts[outcome] += 1

    def figures(self) -> dict[str, int]:
        """Numbers since the start, by outcome."""
        with self._changed:
            return dict(self._counts)
