"""Fixtures: a real browser with the real pages, over HTTPS, and a hub that only remembers."""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from ipaddress import ip_network
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from appliance.service.transcripts import PublishedRuns
from appliance.store import Store
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.tls import self_signed
from tests.appliance.fakes import FakeHub
from tests.appliance.sites import make_site, make_store
from tests.browser.chromium import NoChromium, chromium
from tests.waiting import DEADLINE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


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


@dataclass
class Desk:
    """A person's browser, and the errors that it reported.

    Attributes:
        complaints: errors on the console, refusals of the content security policy among them.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        """Opens a page."""
        self.page.goto(self.url + path)

    def sign_up(self, email: str, organization: str = "Acme Networks") -> None:
        """Signs up by the form, from the front page."""
        self.open("/")
        self.page.locator("main").get_by_role("link", name="Sign up").click()
        self.page.get_by_label("Organization").fill(organization)
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password").fill("correct horse battery")
        self.page.get_by_role("button", name="Sign up").click()
        self.page.wait_for_url("**/machines")

    def add_machine(self, name: str, groups: str = "") -> None:
        """Adds a machine by the form."""
        self.open("/machines")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Groups").fill(groups)
        self.page.get_by_role("button", name="Add machine").click()

    def _hear(self, message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        # The browser notes every refused form as an error; those are answers that were wanted.
        if kind == "error" and "responded with a status of 4" not in text:
            self.complaints.append(text)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> PublishedRuns:
    """Provides the runs of the gate that the pages show."""
    return PublishedRuns(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="session")
def hub() -> FakeHub:
    """Provides the data plane behind the pages."""
    return FakeHub()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Provides the store behind the pages."""
    made = make_store(tmp_path_factory.mktemp("site") / "store.sqlite")
    yield made
    made.close()


@pytest.fixture(scope="session")
def url(store: Store, shelf: PublishedRuns, hub: FakeHub) -> Iterator[str]:
    """Returns the address of the pages."""
    server = _Server(("127.0.0.1", 0), _Quiet)
    file, key = self_signed(["localhost"]).as_files()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    context.sslsocket_class = _Socket
    # The handshake belongs to the thread of the connection: a slow client keeps nobody waiting.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    # By name, as passkeys are for names alone.
    made = f"https://localhost:{server.server_port}"
    # All tests of a run come from one address, which signs up more often than one may.
    limits = RateLimits([ip_network("127.0.0.0/8"), ip_network("::1/128")])
    site = replace(make_site(store, hub), published=shelf, limits=limits)
    server.set_app(_with_body(make_app(replace(site, context=replace(site.context, site=made)), hub.status)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Runs Chromium for the tests of a module: playwright's event loop runs in this thread until its end."""
    expect.set_options(timeout=DEADLINE * 1000)
    try:
        with chromium(tmp_path_factory.mktemp("home")) as launched:
            yield launched
    except NoChromium as error:
        pytest.skip(str(error))


@pytest.fixture
def open_desk(browser: Browser, url: str) -> Iterator[Callable[..., Desk]]:
    """Returns a function that opens browsers; at the end none of them may have reported an error."""
    contexts: list[BrowserContext] = []
    desks: list[Desk] = []

    def make(*, width: int = 1200, height: int = 900, dark: bool = False, scripts: bool = True) -> Desk:
        context = browser.new_context(
            ignore_https_errors=True,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(DEADLINE * 1000)
        contexts.append(context)
        desks.append(Desk(context.new_page(), url))
        return desks[-1]

    yield make
    for context in contexts:
        context.close()
    assert [complaint for desk in desks for complaint in desk.complaints] == []
