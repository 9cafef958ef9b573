"""A client of a WSGI application, in this process."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import bottle


@dataclass(frozen=True)
class Response:
    """An answer."""

    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.data)


def call(
    app: bottle.Bottle,
    method: str,
    path: str,
    body: Any = None,
    *,
    raw: bytes | None = None,
    token: str | None = None,
    headers: dict[str, str] | None = None,
    form: bool = False,
    address: str = "198.51.100.7",
) -> Response:
    """Send a request to a WSGI application, as a server would."""
    data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8443",
        "REMOTE_ADDR": address,
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.input": io.BytesIO(data),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "https",
    }
    if form:
        environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    for name, value in (headers or {}).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    started: list[Any] = []

    def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> None:
        del exc_info
        started[:] = [int(status.split()[0]), dict(fields)]

    answer = b"".join(app(environ, start))
    return Response(started[0], started[1], answer)
