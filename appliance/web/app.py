"""WSGI application: API, pages, health and metrics, with common headers and error answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import bottle
import structlog

from appliance import release
from appliance.few_lines import FewLines
from appliance.hub.rpc.messages import HubStatus
from appliance.model.errors import NoRoom, Refused, Unavailable
from appliance.model.sentences import Sentence, sentence
from appliance.service import Context
from appliance.web import api, health, languages, metrics, operators, origin, pages, problems
from appliance.web.handler import Handler
from appliance.web.headers import HEADERS
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.router import Router
from appliance.web.site import Site
from appliance.web.watchers import Watchers

log = structlog.get_logger()

# Paths for programs: errors there are problem documents, and pages elsewhere.
_FOR_PROGRAMS = frozenset({"/api", "/healthz", "/readyz", "/metrics"})

# Titles and details of the errors of bottle's router.
_ERRORS = {
    404: pages.NOTHING,
    405: (sentence("Method Not Allowed"), sentence("This path does not take this method.")),
}
_FAULT = (sentence("A fault of ours"), sentence("This should not have happened; it was logged."))
_OTHER = (sentence("Not answered"), sentence("The request could not be answered."))

_LINES = 30
"""Most log lines in a minute about faults, and about a store that is away."""


@dataclass(frozen=True)
class _Lines:
    """Log lines about requests, which anybody can cause; neither kind keeps the other from being written."""

    of_store: FewLines = field(default_factory=lambda: FewLines(_LINES))
    of_faults: FewLines = field(default_factory=lambda: FewLines(_LINES))


def make_app(
    site: Site,
    status: Callable[[], HubStatus],
    certificate_ends: datetime | None = None,
    metrics_token: str | None = None,
    turned_away: Mapping[str, int] | None = None,
) -> bottle.Bottle:
    """Make the application over these use cases.

    Args:
        status: asks the hub.
        certificate_ends: when the served certificate ends; None if a proxy serves another one.
        turned_away: requests beyond a share of the process, by reason.
        metrics_token: makes any caller that sends it a watcher of the metrics; None: no caller.
    """
    app = bottle.Bottle()
    # Bottle replaces no attribute that is there.
    del app.router
    app.router = router = Router()
    # The mapping may be empty now; it is filled later.
    refusals = metrics.RefusalCounts(
        {} if turned_away is None else turned_away,
        site.context.refusals,
        (site.form_posts.counted, site.call_posts.counted),
    )
    counted = metrics.Metrics(status, site.context.store, site.limits, certificate_ends, refusals)
    facts = operators.ServiceFacts(status, release.version(), certificate_ends, refusals.turned_away)
    view = pages.loaded()
    watchers = Watchers(site.limits, metrics_token)
    lines = _Lines()
    for handler in (
        *api.handlers(site),
        *pages.handlers(site, view),
        *operators.handlers(site, view, facts),
        *health.handlers(status, watchers),
        metrics.handler(counted, watchers),
    ):
        app.route(handler.path, method=handler.method, callback=_callback(handler, counted, view, site.context, lines))
    router.complete()
    app.default_error_handler = _error(view, site.context)

    def finish() -> None:
        # Past bottle's own methods, which check each name and value anew for each answer.
        headers = bottle.response.headers.dict
        for name, value in HEADERS.items():
            headers.setdefault(name, [value])
        if not bottle.request.path.startswith("/static/"):
            headers.setdefault("Cache-Control", ["no-store"])
        counted.count(bottle.response.status_code)

    app.add_hook("after_request", finish)
    return app


def _callback(
    handler: Handler, counted: metrics.Metrics, view: pages.View, context: Context, lines: _Lines
) -> Callable[..., bottle.HTTPResponse]:
    """Make the function that bottle calls for a handler."""

    def callback(**parameters: str) -> bottle.HTTPResponse:
        request = Request.of(bottle.request.environ, parameters)
        with counted.timed(handler.method, handler.path), languages.serving(request, context.clock()):
            response = _answer(handler, request, view, context.site, lines)
        headers = [*response.headers.items(), *(("Set-Cookie", cookie) for cookie in response.cookies.values())]
        return bottle.HTTPResponse(response.body, response.status, headers)

    return callback


def _answer(handler: Handler, request: Request, view: pages.View, site: str, lines: _Lines) -> Response:
    """Call a handler; refusals are answered in the caller's format, faults are logged and answered without details.

    Args:
        site: public URL of the pages; a change from another site is refused before anything else.
        lines: log lines about requests.
    """
    try:
        if request.refusal is not None:
            raise request.refusal
        origin.check(site, request)
        return handler.answer(request)
    except Refused as error:
        if isinstance(error, Unavailable) and not isinstance(error, NoRoom):
            lines.of_store.write(log.error, "the store can't be used", path=request.path, error=str(error.__cause__))
        return problems.answer(error) if _is_for_programs(request.path) else view.refusal(error)
    except Exception:  # noqa: BLE001 - it is logged
        lines.of_faults.write(log.exception, "a request failed", path=request.path, method=request.method)
        return _unexpected(view, request.path, 500, *_FAULT)


def _error(view: pages.View, context: Context) -> Callable[[bottle.HTTPError], bytes]:
    """Make the handler of bottle's own errors, which keeps the error's headers, such as Allow."""

    def handle(error: bottle.HTTPError) -> bytes:
        status = error.status_code
        with languages.serving(Request.head(bottle.request.environ), context.clock()):
            answer = _unexpected(view, bottle.request.path, status, *_ERRORS.get(status, _OTHER))
        for name, value in answer.headers.items():
            bottle.response.set_header(name, value)
        return answer.body

    return handle


def _unexpected(view: pages.View, path: str, status: int, title: Sentence, detail: Sentence) -> Response:
    if _is_for_programs(path):
        return problems.unexpected(status, str(title), str(detail))
    return view.problem(status, title, detail)


def _is_for_programs(path: str) -> bool:
    return path.startswith("/api/") or path in _FOR_PROGRAMS
