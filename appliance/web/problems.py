"""Refusals as problem documents. Source: RFC 9457."""

from __future__ import annotations

import msgspec

from appliance.model.errors import Refused
from appliance.web.headers import HEADERS
from appliance.web.refusals import status_of, title_of
from appliance.web.response import Response

CONTENT_TYPE = "application/problem+json"
PREFIX_OF_TYPES = "urn:meshwg:problem:"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of every error answer."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None


def problem_of(error: Refused) -> Problem:
    """Make the document of a refusal."""
    kind = type(error)
    return Problem(PREFIX_OF_TYPES + error.code, str(title_of(kind)), status_of(kind), error.detail, error.field)


def answer(error: Refused) -> Response:
    """Make the answer of a refusal."""
    response = _respond(problem_of(error))
    if error.retry_after is not None:
        response = response.with_header("Retry-After", str(error.retry_after))
    if response.status == 401:
        response = response.with_header("WWW-Authenticate", "Bearer")
    return response


def bare(error: Refused) -> tuple[int, list[tuple[str, str]], bytes]:
    """Make status, headers and body of a refusal's answer, without the application."""
    response = answer(error)
    headers = {**HEADERS, **response.headers, "Cache-Control": "no-store"}
    return response.status, list(headers.items()), response.body


def _respond(problem: Problem) -> Response:
    return Response(msgspec.json.encode(problem), problem.status, {"Content-Type": CONTENT_TYPE})


def unexpected(status: int, title: str, detail: str) -> Response:
    """Make the answer of an error outside of the use cases, such as an unknown path or an internal error."""
    return _respond(Problem("about:blank", title, status, detail))
