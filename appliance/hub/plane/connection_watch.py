"""Bounds of tracked connections, enforced by counting once a second.

nftables can bound connections itself (`ct count`), but then each new connection costs a search through all existing
ones, which is more than a flood of packets costs. So the kernel limits the rate of new connections, at a constant cost,
and this thread counts connections once a second. Between two counts a machine opens no more than its rate allows.
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

from appliance.hub.errors import HubError, log_error
from appliance.hub.plane.bounds import ConnectionBounds, full_machines, is_full
from appliance.hub.ruleset import FULL, NONE_FULL, PACED, FullMachines

log = structlog.get_logger()

_INTERVAL_S = 1.0
# A list takes microseconds for each connection; the pause after it is this many times as long.
_REST = 9
_PACE = 1000
"""Connections that a machine may open in a second."""
_SOONEST_S = 2.0
# With fewer connections, no machine can have reached a pace or bound.
_NOTEWORTHY = 1024


class Tracked(Protocol):
    """The part of the data plane that the watch uses."""

    def tracked(self) -> Mapping[str, int]:
        """Count the connections of each organization."""

    def openers(self, organization: str) -> Mapping[IPv4Address, int]:
        """Count the connections that each machine has opened; raises `HubError`."""

    def refuse(self, organization: str, full: FullMachines) -> None:
        """Refuse new connections of these machines, and only these; raises `HubError`, and has to be called again."""

    def refused(self, organization: str) -> Mapping[str, int]:
        """Packets that bounds and paces have dropped, by counter; raises `HubError`."""


class ConnectionWatch:
    """Counts connections once a second, in a thread of its own.

    Args:
        plane: the data plane.
        host_limit: reads the largest number of connections that the host tracks.
        clock: monotonic seconds.
        bounds: computes the bounds from the host's limit.
    """

    def __init__(
        self,
        plane: Tracked,
        host_limit: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        bounds: Callable[[int], ConnectionBounds] = ConnectionBounds.of,
    ) -> None:
        self._plane = plane
        self._host_limit = host_limit
        self._clock = clock
        self._bounds = bounds
        self._full: dict[str, FullMachines] = {}
        # By organization, what the data plane has done of the above; missing after an error.
        self._told: dict[str, FullMachines] = {}
        self._refused: dict[str, Mapping[str, int]] = {}
        # By organization, the earliest time of the next list of its connections; none begins before `_rested`.
        self._due: dict[str, float] = {}
        self._rested = 0.0
        self._reached: Counter[str] = Counter()
        self._counts: Mapping[str, int] = {}
        self._limit = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hub-connections", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current count; refused machines stay refused."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def figures(self) -> dict[str, int]:
        """Numbers of connections at the last count, and of refusals since the start."""
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
        """Count once; refuse new connections at a bound, and allow them again below it."""
        self._limit = self._host_limit()
        bounds = self._bounds(self._limit)
        counts = self._counts = self._plane.tracked()
        # A damaged organization is not counted for a while, and keeps what is refused. It is told again afterwards.
        for memory in (self._full, self._told, self._refused, self._due):
            for gone in memory.keys() - counts.keys():
                del memory[gone]
        level = bounds.level(list(counts.values()))
        # Longest overdue lists come first.
        for organization in sorted(counts, key=lambda each: self._due.get(each, 0.0)):
            count, before = counts[organization], self._full.get(organization, NONE_FULL)
            machines = self._full_machines(organization, count, bounds.machine, before.machines)
            after = FullMachines(machines, is_full(count, level, before.everybody))
            self._full[organization] = after
            # A bound is told at each count, and changes nothing if it is in force: the organization may be made anew.
            if after or after != self._told.get(organization):
                self._refuse(organization, after, is_new=after != before)
            if after != before:
                self._note(organization, before, after, count)
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

    def _refuse(self, organization: str, after: FullMachines, *, is_new: bool) -> None:
        """Tell the data plane; if it can't do it now, the next count tells it again."""
        try:
            self._plane.refuse(organization, after)
        except HubError as error:
            self._told.pop(organization, None)
            if is_new:
                log.warning("connections can't be refused yet", organization=organization, error=str(error))
        else:
            self._told[organization] = after

    def _note(self, organization: str, before: FullMachines, after: FullMachines, count: int) -> None:
        if after.everybody and not before.everybody:
            self._reached["organization"] += 1
            log.warning("an organization has as many connections as it may", organization=organization, count=count)
        if reached := after.machines - before.machines:
            self._reached["machine"] += len(reached)
            log.warning("machines have as many connections as they may", organization=organization, count=len(reached))
        if before and not after:
            log.info("an organization is below its bound of connections again", organization=organization)

    def _work(self) -> None:
        while not self._stopped.wait(_INTERVAL_S):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - it is logged
                # The thread has to go on with the next count.
                log_error("connections can't be counted", error, (HubError, OSError))
