"""Watches how many connections are tracked, and has those refused who have as many as they may.

nftables can bound connections itself (`ct count`), but each new one then looks at all that there are, which costs more
than a flood of packets. So the kernel holds everybody to a pace, which costs nothing that grows, and once a second this
looks at what has come together. Between two looks a machine opens no more than its pace allows.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Protocol

import structlog

from appliance.hub.errors import HubError, complain
from appliance.hub.plane.bounds import Bounds, full_machines, still
from appliance.hub.ruleset import FULL, NOBODY, PACED, Full

log = structlog.get_logger()

_INTERVAL_S = 1.0
# A list of an organization's connections takes microseconds for each; in this many times longer there is no other.
_REST = 9
_PACE = 1000
"""Connections that a machine may open in a second."""
_SOONEST_S = 2.0
# With fewer, nobody can have come to a pace or bound.
_NOTEWORTHY = 1024


class Tracked(Protocol):
    """What the warden asks of the data plane."""

    def tracked(self) -> Mapping[str, int]:
        """How many connections each organization has."""

    def openers(self, organization: str) -> Mapping[IPv4Address, int]:
        """How many connections each machine has opened. Raises `HubError`."""

    def refuse(self, organization: str, full: Full) -> None:
        """From now on, these machines open no new connection. Raises `HubError`."""

    def refused(self, organization: str) -> Mapping[str, int]:
        """Packets that bounds and paces have dropped, by counter. Raises `HubError`."""


class Warden:
    """Looks once a second, in a thread of its own.

    Args:
        plane: the data plane.
        host_limit: reads how many connections the host tracks at most.
        clock: monotonic seconds.
        bounds: what there may be on a host with this limit.
    """

    def __init__(
        self,
        plane: Tracked,
        host_limit: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        bounds: Callable[[int], Bounds] = Bounds.of,
    ) -> None:
        self._plane = plane
        self._host_limit = host_limit
        self._clock = clock
        self._bounds = bounds
        self._full: dict[str, Full] = {}
        self._refused: dict[str, Mapping[str, int]] = {}
        # By organization, when its connections are to be listed again; no list begins before the last one.
        self._due: dict[str, float] = {}
        self._rested = 0.0
        self._reached: Counter[str] = Counter()
        self._counts: Mapping[str, int] = {}
        self._limit = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hub-warden", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends with the look that is under way; who is refused stays so."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def figures(self) -> dict[str, int]:
        """What the last look saw, and what came of it since the start."""
        counts, full = self._counts, list(self._full.values())
        refused = list(self._refused.values())
        return {
            "connections": sum(counts.values()),
            "largest": max(counts.values(), default=0),
            "limit": self._limit,
            "full_organizations": sum(each.everybody for each in full),
            "full_machines": sum(len(each.machines) for each in full),
            "reached_by_organization": self._reached["organization"],
            "reached_by_machine": self._reached["machine"],
            "refused_by_bound": sum(each.get(FULL, 0) for each in refused),
            "refused_by_pace": sum(each.get(PACED, 0) for each in refused),
        }

    def look(self) -> None:
        """Counts, and has refused who has as many connections as allowed, and no longer who has fewer again."""
        self._limit = self._host_limit()
        bounds = self._bounds(self._limit)
        counts = self._counts = self._plane.tracked()
        for gone in (self._full.keys() | self._refused.keys() | self._due.keys()) - counts.keys():
            for memory in (self._full, self._refused, self._due):
                memory.pop(gone, None)
        level = bounds.level(list(counts.values()))
        # Whose list is due for the longest time comes first.
        for organization in sorted(counts, key=lambda each: self._due.get(each, 0.0)):
            count, before = counts[organization], self._full.get(organization, NOBODY)
            machines = self._full_machines(organization, count, bounds.machine, before.machines)
            after = Full(machines, still(count, level, before.everybody))
            if after != before:
                self._refuse(organization, before, after, count)
            if after or count >= _NOTEWORTHY:
                with suppress(HubError):
                    self._refused[organization] = self._plane.refused(organization)

    def _full_machines(
        self, organization: str, count: int, bound: int, before: frozenset[IPv4Address]
    ) -> frozenset[IPv4Address]:
        if count < bound and not before:
            self._due.pop(organization, None)
            return frozenset()
        now = self._clock()
        if now < max(self._due.get(organization, 0.0), self._rested):
            return before
        try:
            found = self._plane.openers(organization)
        except HubError:
            return before
        ended = self._clock()
        self._rested = ended + _REST * (ended - now)
        full = full_machines(found, bound, before)
        most = max((count for address, count in found.items() if address not in full), default=0)
        self._due[organization] = ended + (_SOONEST_S if full else max(_SOONEST_S, (bound - most) / _PACE))
        return full

    def _refuse(self, organization: str, before: Full, after: Full, count: int) -> None:
        try:
            self._plane.refuse(organization, after)
        except HubError as error:
            # What is damaged is healed, with this in it.
            log.warning("connections can't be refused yet", organization=organization, error=str(error))
        self._full[organization] = after
        if after.everybody and not before.everybody:
            self._reached["organization"] += 1
            log.warning("an organization has as many connections as it may", organization=organization, count=count)
        if reached := after.machines - before.machines:
            self._reached["machine"] += len(reached)
            log.warning("machines have as many connections as they may", organization=organization, count=len(reached))
        if before and not after:
            log.info("an organization opens connections again", organization=organization)

    def _work(self) -> None:
        while not self._stopped.wait(_INTERVAL_S):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - it is logged
                # The bounds of all others hang on the next look.
                complain("connections can't be counted", error, (HubError, OSError))
