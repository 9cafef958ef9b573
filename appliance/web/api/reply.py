"""HTTP responses of API calls."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.web.response import Response

JSON = "application/json"
PREFIX = "/api/v1"


@dataclass(frozen=True)
class Encoded:
    """A call's answer that is encoded already.

    Attributes:
        data: JSON.
        etag: tag of the answer's version.
    """

    data: bytes
    etag: str


def reply(status: int, data: bytes = b"", location: str | None = None, etag: str | None = None) -> Response:
    """Make the response to a call.

    Args:
        data: JSON; empty for a response without a body.
        location: path of the new resource.
        etag: tag of the answer's version.
    """
    headers = {"Content-Type": JSON if data else None, "Location": location, "ETag": etag}
    return Response(data, status, {name: value for name, value in headers.items() if value is not None})
