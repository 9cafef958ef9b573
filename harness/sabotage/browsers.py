"""Sabotages of what the service asks of browsers, and believes from them, against other sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from appliance.web import app, origin
from appliance.web.request import Request
from appliance.web.response import Response
from harness.sabotage.parts import NothingReplaced, replace_part

_with_cookie = Response.with_cookie
_check, _check_fetched = origin.check, origin.check_fetched


def _without(request: Request, header: str) -> Request:
    """Returns the request as a browser would send it that does not know the header."""
    return replace(request, headers={name: value for name, value in request.headers.items() if name != header})


def believe_any_origin() -> None:
    """Does not look at the header Origin of a change."""
    replace_part(origin, "check", lambda site, request: _check(site, _without(request, "origin")))


def believe_any_fetch() -> None:
    """Does not look at the header Sec-Fetch-Site of a change."""
    replace_part(origin, "check_fetched", lambda request: _check_fetched(_without(request, "sec-fetch-site")))


def show_cookies_to_scripts() -> None:
    """Sets cookies that scripts of a page can read."""

    def with_cookie(self: Response, name: str, value: str, *, seconds: int | None = None, path: str = "/") -> Response:
        answer = _with_cookie(self, name, value, seconds=seconds, path=path)
        text = answer.cookies[name]
        bare = text.replace("HttpOnly; ", "").replace("; HttpOnly", "")
        if bare == text:
            raise NothingReplaced("a cookie is not hidden from scripts")
        return replace(answer, cookies={**answer.cookies, name: bare})

    Response.with_cookie = with_cookie  # type: ignore[method-assign, assignment]


def allow_frames() -> None:
    """Lets other sites show pages in frames."""
    name = "Content-Security-Policy"
    headers: Mapping[str, str] = vars(app)["HEADERS"]
    policy = headers[name].replace("; frame-ancestors 'none'", "")
    if policy == headers[name]:
        raise NothingReplaced("pages may be shown in frames")
    replace_part(app, "HEADERS", {**headers, name: policy})
