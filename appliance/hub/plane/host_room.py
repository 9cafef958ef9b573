"""Room on the hub's host for another organization, which takes files, threads and memory for good."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from appliance.few_lines import FewLines
from appliance.host.resources import Resources, SharedResources
from appliance.hub.errors import Crowded

log = structlog.get_logger()

_RETRY_S = 600


class HostRoom:
    """Refuses new organizations where what all share runs low: those that there are need the rest. Thread-safe.

    Args:
        measure: tells what is used.

    Attributes:
        measure: the same.
        refused: organizations that were refused.
    """

    def __init__(self, measure: Callable[[], Resources] | None = None) -> None:
        self.measure = SharedResources().measure if measure is None else measure
        self.refused = 0
        self._lines = FewLines(1)

    def check(self) -> None:
        """Refuse a new organization if there is little room.

        Raises:
            Crowded: less than what is kept is left of files, threads or memory.
        """
        found = self.measure()
        if not found.scarce:
            return
        self.refused += 1
        self._lines.write(
            log.error, "the host is nearly full, so nobody new is taken", used=found.used, room=found.room
        )
        raise Crowded(
            "The hub's host is nearly full, so nobody can sign up for now. Its operator can change that.",
            retry_after=_RETRY_S,
        )
