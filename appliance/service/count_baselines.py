"""Packet counts at the last full hour, with which those at the next are compared."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.model.desired import RuleCount
from appliance.service.trends import increase

_MOST_COUNTS = 300_000

Packets = Mapping[str | None, int]


class Baselines:
    """Packet counts of all organizations at the last full hour. Only one thread may use it.

    Args:
        most_counts: counts that are kept. If that is not enough, organizations with the most rules have no history.
    """

    def __init__(self, most_counts: int = _MOST_COUNTS) -> None:
        self._most = most_counts
        self._hour = -1
        self._before: dict[str, Packets] = {}
        self._now: dict[str, Packets] = {}
        self._size = 0
        self.left_out = 0

    def begin(self, hour: int) -> bool:
        """Begin an hour; False if it has begun already.

        Counts of another hour than the one before are forgotten: nobody knows to which hours the difference belongs.

        Args:
            hour: hours since the epoch.
        """
        if hour == self._hour:
            return False
        self._before = self._now if hour == self._hour + 1 else {}
        self._now, self._size, self._hour, self.left_out = {}, 0, hour, 0
        return True

    def compare(self, organization: str, counts: Mapping[str | None, RuleCount]) -> Packets:
        """Keep the present counts for the next hour, and return what is new since the hour before; empty if unknown."""
        present = {rule: count.packets for rule, count in counts.items()}
        self._keep(organization, present)
        before = self._before.pop(organization, None)
        if before is None:
            return {}
        return {rule: new for rule, count in present.items() if (new := increase(before.get(rule, 0), count))}

    def _keep(self, organization: str, present: Packets) -> None:
        while self._size + len(present) > self._most:
            self.left_out += 1
            largest = max(self._now, key=lambda each: len(self._now[each]), default=None)
            if largest is None or len(self._now[largest]) <= len(present):
                return
            self._size -= len(self._now.pop(largest))
        self._now[organization] = present
        self._size += len(present)
