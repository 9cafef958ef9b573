"""Refusals as problem documents. Source: RFC 9457."""

from __future__ import annotations

import bottle
import msgspec

from appliance.model.errors import Refused
from appliance.web.headers import HEADERS

CONTENT_TYPE = "application/problem+json"
PREFIX_OF_TYPES = "urn:meshwg:problem:"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the body of every error answer is."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None


def problem_of(error: Refused) -> Problem:
    """The document that tells of this refusal."""
    return Problem(PREFIX_OF_TYPES + error.code, error.title, error.status, error.detail, error.field)


def answer(error: Refused) -> bottle.HTTPResponse:
    """The answer that tells of this refusal."""
    response = respond(problem_of(error))
    if error.retry_after is not None:
        response.set_header("Retry-After", str(error.retry_after))
    if error.status == 401:
        response.set_header("WWW-Authenticate", "Bearer")
    return response


def bare(error: Refused) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of the answer that tells of this refusal, made without the application."""
    headers = [*HEADERS.items(), ("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")]
    if error.retry_after is not None:
        headers.append(("Retry-After", str(error.retry_after)))
    return error.status, headers, msgspec.json.encode(problem_of(error))


def respond(problem: Problem) -> bottle.HTTPResponse:
    """A problem document as an answer."""
    return bottle.HTTPResponse(
        msgspec.json.encode(problem), status=problem.status, headers={"Content-Type": CONTENT_TYPE}
    )


def unexpected(status: int, title: str, detail: str) -> Problem:
    """A problem that no use case raised: no such path, a method that it does not take, a fault of ours."""
    return Problem("about:blank", title, status, detail)
