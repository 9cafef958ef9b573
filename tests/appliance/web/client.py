"""A client of a WSGI application, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.appliance.members import PASSWORD

FORM = "application/x-www-form-urlencoded"
SIGN_UP = {"email": "a@example.net", "password": PASSWORD, "organization": "acme-networks"}


@dataclass(frozen=True)
class Response:
    """An answer."""

    status: int
    headers: httpx.Headers
    data: bytes

    @property
    def json(self) -> Any:
        """Returns the decoded body."""
        return json.loads(self.data)


def call(
    app: Callable[..., Any],
    method: str,
    path: str,
    body: Any = None,
    *,
    raw: bytes | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    form: bool = False,
    address: str = "198.51.100.7",
    site: str = "https://localhost:8443",
) -> Response:
    """Sends a request to a WSGI application, as a server would.

    Args:
        body: is sent as JSON, unless there is a raw one.
        form: True for the content type of a form.
        address: where the request comes from.
    """
    fields = {"CONTENT_TYPE": FORM} if form else {}
    if token is not None:
        fields["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    # Set here, because headers of httpx have no bytes beyond ASCII, which strangers send.
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        fields[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    transport = httpx.WSGITransport(lambda environ, start: app(environ | fields, start), remote_addr=address)
    content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    answer = transport.handle_request(httpx.Request(method, site + path, content=content))
    return Response(answer.status_code, answer.headers, answer.read())
