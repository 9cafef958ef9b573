"""Where the service is reached, and what it answers there."""

from __future__ import annotations

import ssl
from http.client import HTTPException, HTTPSConnection

from appliance.cli.settings import Settings, listen_url

_TIMEOUT = 5.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def answer(settings: Settings, path: str) -> int | None:
    """The status that the web process answers to a GET with; None where nothing speaks HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whose certificate it is does not matter here: the question is whether the service answers.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host = _EVERYWHERE.get(settings.host, settings.host)
    connection = HTTPSConnection(host, settings.port, timeout=_TIMEOUT, context=context)
    try:
        connection.request("GET", path, headers={"Host": "localhost", "Connection": "close"})
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def url(settings: Settings) -> str:
    """Where people find the pages."""
    return listen_url(settings.host, settings.endpoint.host, settings.port) + "/"
