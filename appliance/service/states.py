"""Cache of desired states, so that a small change of a large organization is fast."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.model.desired import Desired
from appliance.sized_cache import SizedCache

MOST = 500
MOST_BYTES = 128 * 2**20
"""Memory for all states together, by `Desired.estimated_bytes`: the largest one takes some 80 MB."""


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
        most_bytes: memory that all of them may take; organizations with large states lose theirs first.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._kept: SizedCache[_Kept] = SizedCache(most, most_bytes)

    def get(self, organization: str, revision: int) -> Desired | None:
        """Find the state of a revision; None if it is not kept."""
        found = self._kept.get(organization)
        return None if found is None or found.revision != revision else found.state

    def keep(self, revision: int, state: Desired) -> None:
        """Keep the state that the store has now, with its revision."""
        self._kept.keep(state.organization, _Kept(revision, state), state.estimated_bytes)

    def forget(self, organization: str) -> None:
        """Drop the state of a removed organization."""
        self._kept.take(organization)

    @property
    def bytes(self) -> int:
        """Estimated memory of all states."""
        return self._kept.size
