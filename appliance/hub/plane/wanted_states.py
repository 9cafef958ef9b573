"""Desired states of all organizations, and the memory that they may take together."""

from __future__ import annotations

import os
import threading

import structlog

from appliance.few_lines import FewLines
from appliance.hub.errors import Crowded
from appliance.model import ports
from appliance.model.desired import Desired

log = structlog.get_logger()

PART = 8
"""One part in so many of the host's memory is for desired states."""
_RETRY_S = 600


def memory_for_states() -> int:
    """Bytes of this host's memory that desired states may take."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // PART


class WantedStates:
    """Desired states by organization, with the sum of their sizes (`Desired.estimated_bytes`); thread-safe.

    An organization may grow as long as it takes no more than it leaves to all others, and in any case to the part that
    each would have if there were as many as there can be. So whoever fills the memory keeps no small network from
    growing, and all together take less than twice the bound.

    Args:
        most_bytes: the bound; None for `memory_for_states`.

    Attributes:
        refused: changes that `check` refused.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        self.most_bytes = memory_for_states() if most_bytes is None else most_bytes
        self.refused = 0
        self._bytes = 0
        self._states: dict[str, Desired] = {}
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._lines = FewLines(1)

    @property
    def bytes(self) -> int:
        """Estimated memory of all states."""
        return self._bytes

    def __contains__(self, organization: str) -> bool:
        return organization in self._states

    def get(self, organization: str) -> Desired | None:
        """Find the state of an organization; None if it has none."""
        return self._states.get(organization)

    def names(self) -> tuple[str, ...]:
        """Ids of the organizations with a state."""
        return tuple(self._states)

    def all(self) -> dict[str, Desired]:
        """States by organization."""
        return dict(self._states)

    def keep(self, desired: Desired) -> None:
        """Keep a state instead of the organization's earlier one."""
        size = desired.estimated_bytes
        with self._lock:
            self._bytes += size - self._sizes.get(desired.organization, 0)
            self._states[desired.organization], self._sizes[desired.organization] = desired, size

    def drop(self, organization: str) -> None:
        """Forget the state of an organization, if it has one."""
        with self._lock:
            self._bytes -= self._sizes.pop(organization, 0)
            self._states.pop(organization, None)

    def check(self, desired: Desired) -> None:
        """Refuse a state that takes memory that is not there for everybody.

        Raises:
            Crowded: it takes more than the organization's present one, and more than it leaves to all others.
        """
        size = desired.estimated_bytes
        with self._lock:
            had = self._sizes.get(desired.organization, 0)
            left = self.most_bytes - (self._bytes - had) - size
            if size <= max(had, left, self.most_bytes // ports.COUNT):
                return
            self.refused += 1
        self._lines.write(
            log.error, "the memory for desired states is full", organization=desired.organization, bytes=self._bytes
        )
        raise Crowded(
            "The hub has little memory left for machines and policies, and your organization would take more of it "
            "than it leaves to others. Remove machines or rules, or try again later; the operator can change that.",
            retry_after=_RETRY_S,
        )
