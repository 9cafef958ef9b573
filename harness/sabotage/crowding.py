"""Sabotages of the shares that keep one organization from holding up another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from appliance.hub.front_door import directory
from appliance.hub.front_door.share import Share
from appliance.hub.plane.connection_watch import ConnectionWatch
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.enforcement import LastCheck, no_check
from appliance.hub.ruleset import FullMachines
from appliance.model.desired import Desired, RuleCount
from appliance.service.queues import Queues
from appliance.service.readings import Reading, Readings
from harness.sabotage.parts import replace_part

_LOOK_S = 0.005
_MANY = 1024
_REST_S = 0.06
_LONG_S = 0.04
_REST = 2
_look = ConnectionWatch.look
_turn = Queues.turn
_apply = DataPlane.apply
_counters = DataPlane.counters
_get = Readings.get


def wait_for_shares_of_handshakes() -> None:
    """Makes the thread that serves all organizations wait until one has its share of handshakes back."""

    class Awaited(Share):
        """Share that is waited for where it is used up."""

        def take(self, is_known: bool) -> bool:
            while not super().take(is_known):
                time.sleep(_LOOK_S)
            return True

    replace_part(directory, "Share", Awaited)


def queue_changes_of_everybody() -> None:
    """Makes the changes of all organizations one after the other, and rests after one that took long."""

    @contextmanager
    def turn(self: Queues, organization: str) -> Iterator[None]:
        del organization
        with _turn(self, ""):
            began = time.monotonic()
            yield
            took = time.monotonic() - began
            if took > _LONG_S:
                time.sleep(_REST * took)

    Queues.turn = turn  # type: ignore[method-assign]


def rest_after_readings() -> None:
    """Reads the counters of rules anew for each request, and rests after that while changes of everybody wait."""
    lock = threading.Lock()

    def counters(self: DataPlane, organization: str) -> Sequence[RuleCount]:
        with lock:
            found = _counters(self, organization)
            time.sleep(_REST_S)
        return found

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        with lock:
            _apply(self, desired, last_check)

    def get(self: Readings[Any], organization: str, read: Callable[[], Any]) -> Reading[Any]:
        self.forget(organization)
        return _get(self, organization, read)

    DataPlane.counters = counters  # type: ignore[method-assign]
    DataPlane.apply = apply  # type: ignore[method-assign]
    Readings.get = get  # type: ignore[method-assign]


def refuse_connections_of_everybody() -> None:
    """Refuses new connections of every organization once one has many."""

    def look(self: ConnectionWatch) -> None:
        _look(self)
        plane = vars(self)["_plane"]
        counts = plane.tracked()
        if max(counts.values(), default=0) >= _MANY:
            for organization in counts:
                plane.refuse(organization, FullMachines(everybody=True))

    ConnectionWatch.look = look  # type: ignore[method-assign]
