"""A server of the real pages over HTTPS, for a browser on this machine."""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO
from ipaddress import ip_network
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from appliance.service import Context
from appliance.service.demo_lab import DemoLab
from appliance.service.transcripts import PublishedRuns
from appliance.store import Store, times
from appliance.web.app import make_app
from appliance.web.demonstration import Demonstration
from appliance.web.limits import RateLimits
from appliance.web.tls import self_signed
from tests.appliance.fakes import FakeHub
from tests.appliance.sites import make_site

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@contextmanager
def pages(
    store: Store,
    hub: FakeHub,
    published: PublishedRuns,
    clock: Callable[[], datetime] = times.now,
    demo: DemoLab | None = None,
) -> Iterator[Context]:
    """Serves the pages for as long as ``with`` lasts.

    Args:
        store: what the pages tell of.
        hub: data plane behind them.
        published: runs of the gate that they show.
        clock: the service's time.
        demo: lab of the demonstration, if there is one.

    Returns:
        Context of the service's use cases, with the URL of the pages.
    """
    server = _Server(("127.0.0.1", 0), _Quiet)
    file, key = self_signed(["localhost"]).as_files()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file, key)
    tls.sslsocket_class = _Socket
    # The handshake belongs to the thread of the connection: a slow client keeps nobody waiting.
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    # All visits come from one address, which signs up more often than one may.
    limits = RateLimits([ip_network("127.0.0.0/8"), ip_network("::1/128")])
    site = replace(make_site(store, hub), published=published, limits=limits, demo=Demonstration(demo or DemoLab()))
    # By name, as passkeys are for names alone.
    context = replace(site.context, site=f"https://localhost:{server.server_port}", clock=clock)
    app = make_app(replace(site, context=context), hub.status, certificate_ends=times.now() + timedelta(days=60))
    server.set_app(_with_body(app))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield context
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # A browser breaks off connections as it likes: before it trusts the certificate, and when it closes.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Socket(ssl.SSLSocket):
    """Reports an unexpected end of a connection as a plain socket does: wsgiref prints no traceback for that error."""

    def sendall(self, data: Any, flags: int = 0) -> None:
        try:
            super().sendall(data, flags)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError from error


def _with_body(app: WSGIApplication) -> WSGIApplication:
    """Reads the request's whole body into memory first, as the service's gateway does."""

    def read_and_answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        return app({**environ, "wsgi.input": BytesIO(environ["wsgi.input"].read(length))}, start_response)

    return read_and_answer


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
