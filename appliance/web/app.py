"""The WSGI application: API, pages, health, and what holds for every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import bottle
import structlog

from appliance.hub.rpc.messages import HubStatus
from appliance.model.errors import Refused, Unavailable
from appliance.web import api, health, metrics, origin, pages, problems, request
from appliance.web.headers import HEADERS
from appliance.web.request import Site
from appliance.web.watchers import Watchers

log = structlog.get_logger()

# Paths that programs ask: their errors are problem documents, all others are pages.
_FOR_PROGRAMS = frozenset({"/api", "/healthz", "/readyz", "/metrics"})


def make_app(
    site: Site,
    status: Callable[[], HubStatus],
    certificate_ends: datetime | None = None,
    metrics_token: str | None = None,
    turned_away: Mapping[str, int] | None = None,
) -> bottle.Bottle:
    """The application over these use cases.

    Args:
        status: asks the hub.
        certificate_ends: as for `metrics.Metrics`.
        turned_away: as for `metrics.Shares`.
        metrics_token: as for `Watchers`.
    """
    app = bottle.Bottle()
    # One that is empty is filled later.
    shares = metrics.Shares(
        {} if turned_away is None else turned_away,
        site.workplace.refusals,
        (site.form_posts.counted, site.call_posts.counted),
    )
    counted = metrics.Metrics(status, site.workplace.store, site.limits, certificate_ends, shares)
    view = pages.loaded()
    app.install(counted)
    app.install(_refusals(view, site.workplace.site))
    api.install(app, site)
    pages.install(app, site, view)
    watchers = Watchers(site.limits, metrics_token)
    health.install(app, status, watchers)
    metrics.install(app, counted, watchers)
    app.default_error_handler = _error(view)

    def finish() -> None:
        for name, value in HEADERS.items():
            bottle.response.headers.setdefault(name, value)
        if not bottle.request.path.startswith("/static/"):
            bottle.response.headers.setdefault("Cache-Control", "no-store")
        counted.count(bottle.response.status_code)

    app.add_hook("after_request", finish)
    return app


def _refusals(view: pages.View, site: str) -> Callable[..., Any]:
    """A bottle plugin: refusals become problem documents, and faults are logged and told without their insides.

    Args:
        site: as for `origin.check`, which comes before anything else.
    """

    def plugin(callback: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **parameters: Any) -> Any:
            try:
                request.check_read()
                origin.check(site)
                return callback(*arguments, **parameters)
            except Refused as error:
                if isinstance(error, Unavailable):
                    log.error("the store can't be used", path=bottle.request.path, error=str(error.__cause__))
                return problems.answer(error) if _is_for_programs() else view.refusal(error)
            except bottle.HTTPResponse:
                raise
            except Exception:
                log.exception("a request failed", path=bottle.request.path, method=bottle.request.method)
                return _unexpected(view, 500, "A fault of ours", "This should not have happened; it was logged.")

        return guarded

    return plugin


def _error(view: pages.View) -> Callable[[bottle.HTTPError], bytes]:
    """Bottle's own errors. The answer keeps the error's headers, Allow for one, so only body and type are ours."""

    def handle(error: bottle.HTTPError) -> bytes:
        answer = _unexpected(view, error.status_code, str(error.status_line)[4:], _words(error))
        bottle.response.content_type = answer.content_type
        return bytes(answer.body)

    return handle


def _unexpected(view: pages.View, status: int, title: str, detail: str) -> bottle.HTTPResponse:
    if _is_for_programs():
        return problems.respond(problems.unexpected(status, title, detail))
    return view.problem(status, title, detail)


def _is_for_programs() -> bool:
    path = bottle.request.path
    return path.startswith("/api/") or path in _FOR_PROGRAMS


def _words(error: bottle.HTTPError) -> str:
    if error.status_code == 404:
        return "There is nothing at this path."
    if error.status_code == 405:
        return "This path does not take this method."
    return "The request could not be answered."
