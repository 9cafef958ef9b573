"""Turns of organizations at the mail relay, which takes one letter after the other."""

from __future__ import annotations

import threading
from collections.abc import Sequence


class LetterTurns:
    """Chooses whose letter is sent next: that of the organization that was served longest ago; thread-safe.

    So an organization that queues many letters waits behind itself. Letters to people who have no organization yet are
    as those of one organization.
    """

    def __init__(self) -> None:
        self._served: dict[str | None, int] = {}
        self._count = 0
        self._lock = threading.Lock()

    def next(self, waiting: Sequence[str | None]) -> str | None:
        """Choose one of these organizations; of several that were not served lately, the first."""
        with self._lock:
            chosen = min(waiting, key=lambda each: self._served.get(each, 0))
            self._count += 1
            # Whoever waits no longer begins anew with the next letter.
            self._served = {each: self._served[each] for each in waiting if each in self._served}
            self._served[chosen] = self._count
            return chosen
