"""Desired states as the store has them, kept so that a small change of a large organization is little work."""

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
    """States of organizations that were changed lately, each with the revision that the store gave it.

    Whoever changes an organization has its row, and so its revision: a state is given only to him who names that, so
    it never matters who else changed the store.

    Args:
        most: how many are kept; those that were used last.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, organization: str, revision: int) -> Desired | None:
        """The state of that revision, if it is kept."""
        with self._lock:
            found = self._kept.get(organization)
            if found is None or found.revision != revision:
                return None
            self._kept.move_to_end(organization)
            return found.state

    def keep(self, revision: int, state: Desired) -> None:
        """The store has this state now, as this revision."""
        with self._lock:
            self._kept[state.organization] = _Kept(revision, state)
            self._kept.move_to_end(state.organization)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def forget(self, organization: str) -> None:
        """The organization is gone."""
        with self._lock:
            self._kept.pop(organization, None)
