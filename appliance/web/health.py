"""Liveness and readiness, at the root."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bottle
import msgspec

from appliance.hub.errors import HubError, HubUnreachable
from appliance.hub.messages import HubStatus
from appliance.web import problems


def install(app: bottle.Bottle, status: Callable[[], HubStatus]) -> None:
    """Adds the two paths."""

    def ready() -> Any:
        try:
            now = status()
        except HubUnreachable as error:
            return problems.respond(problems.unexpected(503, "Not ready", f"The hub does not answer: {error}."))
        except HubError as error:
            return problems.respond(problems.unexpected(503, "Not ready", f"The hub can't tell: {error}"))
        if now.enforcing < now.expected:
            return problems.respond(
                problems.unexpected(503, "Not ready", f"{now.enforcing} of {now.expected} organizations are enforced.")
            )
        return _json({"status": "ready", "wireguard": now.wireguard, "organizations": now.expected})

    app.route("/healthz", callback=lambda: _json({"status": "alive"}))
    app.route("/readyz", callback=ready)


def _json(value: Any) -> bottle.HTTPResponse:
    return bottle.HTTPResponse(msgspec.json.encode(value), headers={"Content-Type": "application/json"})
