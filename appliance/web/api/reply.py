"""An answer of a call, before it is one of HTTP."""

from __future__ import annotations

from dataclasses import dataclass

import bottle

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


@dataclass(frozen=True)
class Reply:
    """What a call gives.

    Attributes:
        data: JSON, or nothing.
        location: the path of what was made.
        etag: what a later request may refer to it by.
    """

    status: int
    data: bytes = b""
    location: str | None = None
    etag: str | None = None

    def response(self) -> bottle.HTTPResponse:
        """The same for bottle."""
        headers = {"Content-Type": JSON} if self.data else {}
        if self.location is not None:
            headers["Location"] = self.location
        if self.etag is not None:
            headers["ETag"] = self.etag
        return bottle.HTTPResponse(self.data, status=self.status, headers=headers)
