"""The WSGI application: API, pages, health, and what holds for every answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bottle
import structlog

from appliance.hub.messages import HubStatus
from appliance.model.errors import Refused
from appliance.web import api, health, pages, problems
from appliance.web.request import Site

log = structlog.get_logger()

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def make_app(site: Site, status: Callable[[], HubStatus]) -> bottle.Bottle:
    """The application over these use cases."""
    app = bottle.Bottle()
    metrics = health.Metrics(status)
    app.install(metrics)
    app.install(_refusals)
    api.install(app, site)
    pages.install(app, site)
    health.install(app, status, metrics)
    app.default_error_handler = _error

    def finish() -> None:
        for name, value in _HEADERS.items():
            bottle.response.headers.setdefault(name, value)
        if not bottle.request.path.startswith("/static/"):
            bottle.response.headers.setdefault("Cache-Control", "no-store")
        metrics.count(bottle.response.status_code)

    app.add_hook("after_request", finish)
    return app


def _refusals(callback: Callable[..., Any]) -> Callable[..., Any]:
    """A bottle plugin: refusals become problem documents, and faults are logged and told without their insides."""

    def guarded(*arguments: Any, **parameters: Any) -> Any:
        try:
            return callback(*arguments, **parameters)
        except Refused as error:
            return problems.answer(error)
        except bottle.HTTPResponse:
            raise
        except Exception:
            log.exception("a request failed", path=bottle.request.path, method=bottle.request.method)
            return problems.respond(
                problems.unexpected(500, "A fault of ours", "This should not have happened; it was logged.")
            )

    return guarded


def _error(error: bottle.HTTPError) -> bytes:
    problem = problems.unexpected(error.status_code, str(error.status_line)[4:], _words(error))
    bottle.response.content_type = problems.CONTENT_TYPE
    return bytes(problems.respond(problem).body)


def _words(error: bottle.HTTPError) -> str:
    if error.status_code == 404:
        return "There is nothing at this path."
    if error.status_code == 405:
        return "This path does not take this method."
    return "The request could not be answered."
