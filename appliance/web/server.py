"""TLS and HTTP server with limits of its own; `gateway` and `connections` add further ones."""

from __future__ import annotations

from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server, common
from granian.server.common import AbstractServer

from appliance.web.connections import MOST
from appliance.web.tls import Certificate

LARGEST_HEAD = 64 * 2**10
"""Most bytes of a request's first line and headers."""

_HEAD_SECONDS = 30.0


def make_server(
    host: str, port: int, certificate: Certificate, head_seconds: float = _HEAD_SECONDS
) -> AbstractServer[Any]:
    """Make a server with one worker for an RSGI application.

    Args:
        head_seconds: longest time from the handshake, or from the answer before, to the end of a request's head.
    """
    # A process is known by its arguments; Granian would replace them wherever setproctitle is installed.
    vars(common)["setproctitle"] = None
    file, key = certificate.as_files()
    return Server(
        "appliance.web.app",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        loop=Loops.asyncio,
        workers=1,
        # With HTTP/2 one connection could have hundreds of requests at once, and no client here needs it.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=round(1000 * head_seconds), max_buffer_size=LARGEST_HEAD),
        websockets=False,
        backpressure=MOST,
        log_level=LogLevels.error,
        ssl_cert=file,
        ssl_key=key,
        ssl_protocol_min=SSLProtocols.tls12,
        workers_kill_timeout=5,
    )
