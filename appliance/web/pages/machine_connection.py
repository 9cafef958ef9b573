"""Connection of a machine: whether it has reached the hub yet, and whether it answers a ping."""

from __future__ import annotations

from datetime import timedelta

from appliance.model.access import CHANGE, LOOK
from appliance.model.errors import Invalid, Refused
from appliance.model.organization import Machine
from appliance.service import machines, pings
from appliance.service.observed import ObservedMachine
from appliance.store import times
from appliance.web.pages.routes import LIVE, Again, Page, Visit
from appliance.web.pages.view import PagePart
from appliance.web.response import Response

SINCE = "since"
"""Query parameter with the second at which the machine's key was made, if the page knows."""

_FIRST_FOR = timedelta(seconds=120)
"""Shortest time after a handshake until WireGuard makes another by itself (REKEY_AFTER_TIME; WireGuard, 6.1)."""


def part(visit: Visit, seen: ObservedMachine, since: int | None) -> PagePart:
    """Render whether the machine is connected; the part asks again while it is not.

    Args:
        since: second at which its key was made. A handshake soon afterwards is the key's first.
    """
    handshake = seen.status.last_handshake if seen.status else 0
    is_first = since is not None and since <= handshake < since + _FIRST_FOR.total_seconds()
    return visit.part(
        "connection.html",
        seen=seen,
        is_first=is_first,
        path=f"/machines/{seen.machine.id}/connection{LIVE}" + ("" if since is None else f"?{SINCE}={since}"),
        now=visit.context.clock(),
    )


def new_part(visit: Visit, machine: Machine) -> PagePart:
    """Render the part for a machine whose key was made just now, so that it has not reached the hub yet."""
    return part(visit, ObservedMachine(machine, None, online=False), int(times.stored(visit.context.clock())))


def _look(visit: Visit, refusal: Refused | None = None, told: PagePart | None = None) -> Response:
    seen = machines.get(visit.context, visit.actor, visit.parameters["id"])
    connection = part(visit, seen, None)
    return visit.page("machine_connection.html", refusal=refusal, seen=seen, connection=connection, told=told)


def _poll(visit: Visit) -> Response:
    seen = machines.get(visit.context, visit.actor, visit.parameters["id"])
    try:
        since = visit.query.number(SINCE)
    except Invalid:
        since = None
    return visit.polled(part(visit, seen, since))


def _ping(visit: Visit) -> Response:
    try:
        visit.site.limits.ping(visit.request.address, visit.actor.organization_id)
        milliseconds = pings.ping(visit.context, visit.actor, visit.parameters["id"])
    except Refused as refusal:
        if visit.wants_part:
            raise
        return _look(visit, refusal)
    told = visit.part("ping.html", milliseconds=milliseconds)
    return told.answer() if visit.wants_part else _look(visit, told=told)


PAGES = (
    Page("GET", "/machines/<id>/connection", _look, access=LOOK),
    Page("GET", f"/machines/<id>/connection{LIVE}", _poll, access=LOOK, polled=True),
    # It changes nothing, so that it may be sent again and again.
    Page("POST", "/machines/<id>/ping", _ping, access=CHANGE, once=False, again=Again.by(_look)),
)
