"""Sabotages that show when something ends, moves or comes back: a service, a link, a machine, an organization."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from appliance.hub.findings import Repair
from appliance.hub.front_door.memory import KNOWN4
from appliance.hub.kernel.events import NamespaceEvent
from appliance.hub.plane.endpoint_notes import EndpointNotes
from appliance.hub.plane.reconcile import Reconciler
from appliance.hub.plane.upkeep import Upkeep
from appliance.model.desired import Desired
from appliance.store import deletions
from appliance.store.deletions import DeletionTarget, Tombstone
from harness.sabotage.front_door import change_chain
from harness.sabotage.parts import replace_part

_RESTS_S = 30.0
_PLAIN = re.compile(r"[a-z0-9-]*", re.IGNORECASE)
_begin = deletions.begin
_finish = deletions.finish


def leave_everything_at_the_end() -> None:
    """Ends the service and leaves links, routes and rules in the kernel."""

    def tear_down(self: Upkeep) -> None:
        self.close()

    Upkeep.tear_down = tear_down  # type: ignore[method-assign]


def wait_for_machines_of_new_links() -> None:
    """Waits until machines begin handshakes by themselves when their link had to be made again."""

    def turn_to_machines(self: Reconciler, desired: Desired) -> None:
        del self, desired

    Reconciler.turn_to_machines = turn_to_machines  # type: ignore[method-assign]


def note_no_endpoints() -> None:
    """Knows in memory alone where machines are."""

    def note(self: EndpointNotes, organization: str, patience_s: float) -> None:
        del self, organization, patience_s

    EndpointNotes.note = note  # type: ignore[method-assign]


def rest_after_repairs() -> None:
    """Looks at no organization, and not at the front door, for half a minute after it was repaired."""
    look: Callable[[Upkeep, str, NamespaceEvent], Repair | None] = vars(Upkeep)["_heal"]
    repaired: dict[str, float] = {}

    def heal(self: Upkeep, organization: str, event: NamespaceEvent) -> Repair | None:
        if time.monotonic() - repaired.get(organization, -math.inf) < _RESTS_S:
            return None
        found = look(self, organization, event)
        if found is not None:
            repaired[organization] = time.monotonic()
        return found

    replace_part(Upkeep, "_heal", heal)


def bind_sessions_to_addresses() -> None:
    """Leads messages of a session by the address that its handshake came from."""
    bound = f"udp dport set ip saddr . udp sport map @{KNOWN4.name} goto deliver"
    change_chain("session", lambda chain: (bound, chain[-1]))
    change_chain("resume", lambda chain: chain[-1:])


def answer_by_the_link_of_the_address() -> None:
    """Sends answers by the link that has the address which the machine sent to."""
    change_chain("answer", lambda chain: tuple(each for each in chain if not each.startswith("meta mark set")))


def keep_unusual_names() -> None:
    """Writes an unusual name of a deleted organization into the record of its deletion."""
    names: list[str] = []

    def begin(transaction: Connection, doomed: DeletionTarget, at: datetime) -> DeletionTarget:
        names.append(doomed.name)
        return _begin(transaction, doomed, at)

    def finish(transaction: Connection, tombstone: Tombstone) -> None:
        unusual = {name: 1 for name in names[-1:] if not _PLAIN.fullmatch(name)}
        _finish(transaction, replace(tombstone, removed={**tombstone.removed, **unusual}))

    deletions.begin = begin
    deletions.finish = finish
