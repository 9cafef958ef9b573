"""Trends of packet counts: what was decided since an earlier look at the same organization's counts.

The data plane counts since a rule was made. This keeps earlier counts in memory, so that a page can tell what is new.
Nothing is measured in between: after a restart, or when nobody looked for long, there is nothing to compare with.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.model.desired import RuleCount

_STEP = timedelta(minutes=5)
_RECENT = 3 * _STEP
_OLDEST = timedelta(days=1)
_MOST_COUNTS = 100_000

_Packets = Mapping[str | None, int]


@dataclass(frozen=True)
class Trend:
    """Packets that were decided since an earlier look.

    Attributes:
        since: time of the earlier look.
        packets: by rule id; None is the default.
    """

    since: datetime
    packets: _Packets


@dataclass(frozen=True)
class _Look:
    at: datetime
    packets: _Packets


class Trends:
    """Earlier counts by organization; thread-safe.

    Of an organization, the two latest looks are kept that are at least five minutes apart. So a trend is about the last
    minutes while somebody looks all the time, and about the time since the last look otherwise.

    Args:
        most_counts: counts that are kept for all organizations together. The organization with the most is forgotten
            first; of several, the one that was looked at longest ago.
    """

    def __init__(self, most_counts: int = _MOST_COUNTS) -> None:
        self._most = most_counts
        self._size = 0
        self._kept: OrderedDict[str, tuple[_Look, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, organization: str, counts: Mapping[str | None, RuleCount], now: datetime) -> Trend | None:
        """Compare counts with earlier ones, and keep them for later.

        Args:
            counts: present counts; empty if they are unknown.

        Returns:
            None if there are no earlier counts, or none from the last day.
        """
        if not counts:
            return None
        present = _Look(now, {rule: count.packets for rule, count in counts.items()})
        with self._lock:
            kept = tuple(look for look in self._kept.get(organization, ()) if now - look.at < _OLDEST)
            recent = [look for look in kept if now - look.at <= _RECENT]
            before = recent[0] if recent else kept[-1] if kept else None
            if not kept or now - kept[-1].at >= _STEP:
                self._keep(organization, (*kept[-1:], present))
        return None if before is None else _trend(before, present)

    def forget(self, organization: str) -> None:
        """Drop the counts of a removed organization."""
        with self._lock:
            self._drop(organization)

    def _keep(self, organization: str, looks: tuple[_Look, ...]) -> None:
        self._drop(organization)
        self._kept[organization] = looks
        self._size += _size(looks)
        while self._size > self._most:
            self._drop(max(self._kept, key=lambda each: _size(self._kept[each])))

    def _drop(self, organization: str) -> None:
        self._size -= _size(self._kept.pop(organization, ()))


def _size(looks: tuple[_Look, ...]) -> int:
    return sum(len(look.packets) for look in looks)


def _trend(before: _Look, present: _Look) -> Trend:
    packets = {rule: increase(before.packets.get(rule, 0), count) for rule, count in present.packets.items()}
    return Trend(before.at, packets)


def increase(before: int, now: int) -> int:
    """Growth of a count; a smaller count began anew meanwhile."""
    return now - before if now >= before else now
