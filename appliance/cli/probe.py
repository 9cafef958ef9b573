"""Requests to the running web process."""

from __future__ import annotations

import ssl
from functools import cache
from http.client import HTTPException, HTTPSConnection

from appliance.cli.settings import Settings, listen_url

_TIMEOUT = 5.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def answer(settings: Settings, path: str) -> int | None:
    """Send a GET to the web process; returns the HTTP status, or None if nothing speaks HTTPS there."""
    host = _EVERYWHERE.get(settings.host, settings.host)
    connection = HTTPSConnection(host, settings.port, timeout=_TIMEOUT, context=_context())
    try:
        connection.request("GET", path, headers={"Host": "localhost", "Connection": "close"})
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


@cache
def _context() -> ssl.SSLContext:
    """Make the context of all requests once, which costs more than a request that is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate does not matter: the question is only whether the service answers.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def url(settings: Settings) -> str:
    """Get the URL of the pages without a proxy, with a slash at the end."""
    return listen_url(settings.host, settings.endpoint.host, settings.port) + "/"
