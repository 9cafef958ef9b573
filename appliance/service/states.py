"""Cache of desired states, so that a small change of a large organization is fast."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from appliance.model.desired import Desired

_MOST = 500


@dataclass(frozen=True)
class _Kept:
    revision: int
    state: Desired


class States:
    """Least recently used cache of desired states, each with its revision in the store.

    A caller has read the organization's row, and so its present revision. A state is returned only for that revision,
    so changes by other processes do no harm.

    Args:
        most: number of states that are kept.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, organization: str, revision: int) -> Desired | None:
        """Find the state of a revision; None if it is not kept."""
        with self._lock:
            found = self._kept.get(organization)
            if found is None or found.revision != revision:
                return None
            self._kept.move_to_end(organization)
            return found.state

    def keep(self, revision: int, state: Desired) -> None:
        """Keep the state that the store has now, with its revision."""
        with self._lock:
            self._kept[state.organization] = _Kept(revision, state)
            self._kept.move_to_end(state.organization)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def forget(self, organization: str) -> None:
        """Drop the state of a removed organization."""
        with self._lock:
            self._kept.pop(organization, None)
