"""HTTP responses of API calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.web.response import Response

JSON = "application/json"
PREFIX = "/api/v1"
SERVER_TIMING = "Server-Timing"


@dataclass(frozen=True)
class Encoded:
    """A call's answer that is encoded already.

    Attributes:
        data: JSON.
        etag: tag of the answer's version.
    """

    data: bytes
    etag: str


@dataclass(frozen=True)
class Timed:
    """A call's answer, with the time that the data plane took for the change.

    Attributes:
        answer: None for a response without a body.
        enforced_s: seconds; None if there was nothing to enforce.
    """

    answer: Any
    enforced_s: float | None

    def on(self, response: Response) -> Response:
        """Tell the time in a response's header (W3C Server Timing), in milliseconds."""
        if self.enforced_s is None:
            return response
        return response.with_header(SERVER_TIMING, f"enforce;dur={self.enforced_s * 1000:.3f}")


def reply(status: int, data: bytes = b"", location: str | None = None, etag: str | None = None) -> Response:
    """Make the response to a call.

    Args:
        data: JSON; empty for a response without a body.
        location: path of the new resource.
        etag: tag of the answer's version.
    """
    headers = {"Content-Type": JSON if data else None, "Location": location, "ETag": etag}
    return Response(data, status, {name: value for name, value in headers.items() if value is not None})
