"""Answers of calls, before and as they are sent."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.web.response import Response

JSON = "application/json"
PREFIX = "/api/v1"


@dataclass(frozen=True)
class Encoded:
    """A call's answer that is JSON already.

    Attributes:
        etag: what a later request may refer to it by.
    """

    data: bytes
    etag: str


def reply(status: int, data: bytes = b"", location: str | None = None, etag: str | None = None) -> Response:
    """Response to a call.

    Args:
        data: JSON; empty for a response without a body.
        location: path of what was made.
        etag: what a later request may refer to it by.
    """
    headers = {"Content-Type": JSON if data else None, "Location": location, "ETag": etag}
    return Response(data, status, {name: value for name, value in headers.items() if value is not None})
