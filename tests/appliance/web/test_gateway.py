"""Requests as the application gets them, and answers to requests that can't be read or answered."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

import pytest

from appliance.model.errors import Malformed, Refused, Unauthenticated
from appliance.web.bodies import SMALL, Budget
from appliance.web.gateway import Gateway
from appliance.web.request import PAYER, REFUSED
from tests.appliance.web.exchanges import HOST, Application, Exchange, Trickle, ask, head, large


def test_a_trusted_proxy_s_request_counts_as_its_client_s() -> None:
    """Checks the client's address in the application, for its share, and for the place of a large body."""
    senders: list[str] = []

    def sender(environ: Mapping[str, Any]) -> str:
        senders.append(environ["REMOTE_ADDR"])
        return "acme"

    size = SMALL + 1
    headers = [HOST, ("x-forwarded-for", "203.0.113.5"), ("content-length", str(size))]
    environ = ask(Application(), Exchange(b"x" * size), headers, proxies=[ip_network("2001:db8::/64")], sender=sender)
    assert environ["REMOTE_ADDR"] == environ[PAYER].name == "203.0.113.5"
    assert senders == ["203.0.113.5"]


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_forwarding_headers_are_ignored_without_proxies(name: str) -> None:
    environ = ask(Application(), Exchange(), [HOST, (name, "203.0.113.5")])
    assert environ["REMOTE_ADDR"] == "2001:db8::2"


def test_the_application_gets_a_request_as_wsgi_has_it() -> None:
    exchange = Exchange(b"body")
    environ = ask(
        Application(),
        exchange,
        [
            HOST,
            ("content-length", "4"),
            ("content-type", "text/plain"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("x-many", "1"),
            ("x-many", "2"),
        ],
    )
    assert environ["REQUEST_METHOD"] == "PUT"
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/süß"
    assert environ["QUERY_STRING"] == "a=%20b"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("2001:db8::1", "8443")
    assert environ["REMOTE_ADDR"] == "2001:db8::2"
    assert (environ["CONTENT_LENGTH"], environ["CONTENT_TYPE"]) == ("4", "text/plain")
    assert (environ["HTTP_COOKIE"], environ["HTTP_X_MANY"]) == ("a=1; b=2", "1,2")
    assert environ["wsgi.input"].read() == b"body"
    assert exchange.answer == (204, [("X-Answer", "1")], b"")


def test_a_body_that_breaks_off_ends_the_connection() -> None:
    exchange = Exchange(None)
    environ = ask(Application(), exchange, [HOST, ("content-length", "4")])
    assert isinstance(environ[REFUSED], Malformed)
    assert environ["wsgi.input"].read() == b""
    assert exchange.answer is not None
    assert ("Connection", "close") in exchange.answer[1]


def test_header_names_with_underscores_are_dropped() -> None:
    headers = [HOST, ("x-forwarded-for", "192.0.2.1"), ("x_forwarded_for", "198.51.100.1"), ("content_length", "7")]
    environ = ask(Application(), Exchange(), headers)
    assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"
    assert "CONTENT_LENGTH" not in environ


def test_an_unreadable_header_that_matters_is_refused() -> None:
    exchange = Exchange(b"body")
    environ = ask(Application(), exchange, [HOST, ("content-length", "4")], unreadable=("if-match",))
    assert isinstance(environ[REFUSED], Malformed)
    assert environ["wsgi.input"].read() == b""
    assert exchange.answer is not None
    assert ("Connection", "close") in exchange.answer[1]


def test_headers_that_browsers_add_may_have_any_bytes() -> None:
    assert REFUSED not in ask(Application(), Exchange(), [HOST], unreadable=("cookie", "referer", "user-agent"))


@pytest.mark.parametrize(
    ("headers", "http_version", "is_refused"),
    [([], "1.1", True), ([], "1.0", False), ([HOST], "1.0", False), ([HOST, ("host", "other")], "1.0", True)],
    ids=["none", "none-needed", "one", "two"],
)
def test_a_request_needs_exactly_one_host(headers: list[tuple[str, str]], http_version: str, is_refused: bool) -> None:
    assert (REFUSED in ask(Application(), Exchange(), headers, http_version=http_version)) == is_refused


def test_a_failing_application_still_answers() -> None:
    exchange = Exchange()
    ask(Application(fails=True), exchange, [HOST])
    assert exchange.answer == (500, [], b"")


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """Turns the garbage collector off, which would free reference cycles."""
    gc.disable()
    yield
    gc.enable()


def raising(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Raises the refusal and answers with it, as the pages and the API do."""
    try:
        if REFUSED in environ:
            raise environ[REFUSED]
        start("200 OK", [])
    except Refused as refusal:
        start("400 Bad Request", [])
        return [str(refusal).encode()]
    return [b"done"]


def nobody(environ: Mapping[str, Any]) -> str:
    """Refuses every sender, with an error."""
    try:
        return str(environ["nobody"])
    except LookupError as error:
        raise Unauthenticated("nobody") from error


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize(
    ("exchange", "headers", "bounds"),
    [
        pytest.param(Exchange, [], {}, id="head"),
        pytest.param(Trickle, [HOST, ("content-length", "4")], {}, id="slow"),
        pytest.param(Trickle, large(), {}, id="large-slow"),
        pytest.param(lambda: Exchange(None), [HOST, ("content-length", "4")], {}, id="broken-off"),
        pytest.param(lambda: Exchange(None), large(), {}, id="large-broken-off"),
        pytest.param(Exchange, large(), {}, id="short"),
        pytest.param(Exchange, large(2**30), {}, id="too-large"),
        pytest.param(Exchange, [HOST, ("transfer-encoding", "chunked")], {}, id="chunked"),
        pytest.param(Exchange, large(), {"sender": nobody}, id="stranger"),
        pytest.param(Exchange, large(), {"budget": Budget(places=0)}, id="no-place"),
    ],
)
def test_an_answered_exchange_is_freed_at_once(
    exchange: Callable[[], Exchange], headers: list[tuple[str, str]], bounds: dict[str, Any]
) -> None:
    """Frees the exchange, so that the server ends the connection of a body that was not read to its end."""

    async def work() -> None:
        asked = exchange()
        answered = weakref.ref(asked)
        await Gateway(raising, threads=1, patience=0.01, **bounds).__rsgi__(head("[2001:db8::2]:4711", headers), asked)
        assert asked.answer is not None
        assert asked.answer[0] == 400
        del asked
        assert answered() is None

    asyncio.run(work())
