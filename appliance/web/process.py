"""``meshwg-web``: the process that faces the internet, as an ordinary user without the unlock secret."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The worker is forked by a process that gave up root and may not be able to read code any more, so what would be
# imported late, by the first request that needs it, is imported here.
import cryptography.hazmat.backends.openssl.backend  # noqa: F401
import granian._loops
import granian._signals
import granian.wsgi  # noqa: F401
from granian.constants import Interfaces, SSLProtocols
from granian.log import LogLevels
from granian.server import Server

from appliance import lifeline, privileges
from appliance.hub.client import HubClient
from appliance.mail import Relay
from appliance.model.addresses import Network
from appliance.service import Workplace
from appliance.service.transcripts import Shelf
from appliance.store import Store
from appliance.web import cleanup, postman
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.proxies import behind
from appliance.web.request import Site
from appliance.web.tls import Certificate

_THREADS = 16


@dataclass(frozen=True)
class WebSettings:
    """What the web process has to know.

    Attributes:
        endpoint_host, endpoint_port: what configurations name as the hub's.
        trusted: ranges without limits but on log-in.
        proxies: whose word on a caller's address is taken.
        site: where people find the pages.
        relay: where mail goes, if it does.
        uid: the user to become once the port is bound.
        transcripts: where published runs of the gate lie.
    """

    host: str
    port: int
    certificate: Certificate
    database_url: str
    hub_socket: Path
    endpoint_host: str
    endpoint_port: int
    trusted: Sequence[Network]
    proxies: Sequence[Network]
    site: str
    relay: Relay | None
    uid: int
    transcripts: Path


def serve(settings: WebSettings) -> None:
    """Serves until SIGTERM or SIGINT. Raises OSError where the address can't be bound."""
    hub = HubClient(settings.hub_socket)
    workplace = Workplace(
        Store(settings.database_url),
        hub,
        settings.endpoint_host,
        settings.endpoint_port,
        settings.site,
        sends_mail=settings.relay is not None,
    )
    # Nothing connects before the fork; connections are opened by the threads that use them.
    site = Site(workplace, RateLimits(settings.trusted), Shelf(settings.transcripts))
    app = behind(settings.proxies, make_app(site, hub.status, settings.certificate.ends_at()))

    multiprocessing.set_start_method("fork")
    server = Server(
        "appliance.web.app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=_THREADS,
        log_level=LogLevels.error,
        ssl_cert=settings.certificate.certificate,
        ssl_key=settings.certificate.key,
        ssl_protocol_min=SSLProtocols.tls12,
        workers_kill_timeout=5,
    )
    supervisor, main = os.getppid(), os.getpid()

    # After the port is bound, which may take root, and before a worker is forked.
    @server.on_startup
    def become_ordinary() -> None:
        privileges.drop(settings.uid)
        lifeline.hold(supervisor)

    def load(_: str) -> Any:
        lifeline.hold(main)
        threading.Thread(target=cleanup.keep_at_it, args=(workplace,), name="web-cleanup", daemon=True).start()
        if settings.relay is not None:
            arguments = (workplace, settings.relay, threading.Event())
            threading.Thread(target=postman.work, args=arguments, name="postman", daemon=True).start()
        return app

    server.serve(target_loader=load)
