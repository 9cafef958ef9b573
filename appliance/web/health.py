"""Health checks: liveness and readiness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from appliance.hub.errors import HubError, HubUnreachable
from appliance.hub.rpc.messages import HubStatus
from appliance.web import problems
from appliance.web.handler import Handler
from appliance.web.recent import Recent
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.watchers import Watchers

Readiness = HubStatus | HubError
"""State of the hub, or why it can't be told."""


def handlers(status: Callable[[], HubStatus], watchers: Watchers) -> tuple[Handler, ...]:
    """Make the handlers for load balancers and watchers.

    Anybody may ask for readiness, as a load balancer does; the hub is asked once a second for all of them. Watchers get
    an own answer with the reason.
    """

    recent = Recent(lambda: look(status))

    def ready(request: Request) -> Response:
        if watchers.is_one(request):
            return _in_full(look(status))
        watchers.limits.stranger(request.address)
        if reason_of(recent.get()) is None:
            return _json({"status": "ready"})
        return problems.unexpected(503, "Not ready", "The service is not ready.")

    return Handler("GET", "/healthz", lambda _: _json({"status": "alive"})), Handler("GET", "/readyz", ready)


def look(status: Callable[[], HubStatus]) -> Readiness:
    """Ask the hub; an error is an answer, too."""
    try:
        return status()
    except HubError as error:
        return error


def _in_full(now: Readiness) -> Response:
    reason = reason_of(now)
    if reason is None and isinstance(now, HubStatus):
        shards = {"shards": {each.endpoint: each.host for each in now.shards}} if now.shards else {}
        return _json({"status": "ready", "wireguard": now.wireguard, "organizations": now.expected} | shards)
    return problems.unexpected(503, "Not ready", str(reason))


def reason_of(now: Readiness) -> str | None:
    """Find the reason why the service is not ready; None if it is ready."""
    if isinstance(now, HubUnreachable):
        return f"The hub does not answer: {now}."
    if isinstance(now, HubError):
        return f"The hub can't tell: {now}"
    if now.lost:
        return f"No hub answers for {', '.join(now.lost)}. {now.progress}"
    if now.enforcing < now.expected:
        return now.progress
    return None


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), headers={"Content-Type": "application/json"})
