"""Requests as the application gets them, and answers to requests that can't be read or answered."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.model.errors import Malformed, Refused, TooMany, TooSlow, Unauthenticated
from appliance.web.bodies import SMALL, Budget
from appliance.web.gateway import Gateway
from appliance.web.payers import Payers
from appliance.web.request import PAYER, REFUSED, is_for_operators


@dataclass
class Exchange:
    """A request's body, complete or cut off, and the answer to it."""

    data: bytes | None = b""
    answer: tuple[int, list[tuple[str, str]], bytes] | None = None

    def __call__(self) -> asyncio.Future[bytes]:
        whole = asyncio.get_running_loop().create_future()
        if self.data is None:
            whole.set_exception(RuntimeError("transport closed"))
        else:
            whole.set_result(self.data)
        return whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        data = await self()
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answer = status, headers, body


@dataclass
class Application:
    """WSGI application that keeps the environments of its requests."""

    fails: bool = False
    seen: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.seen.append(environ)
        if self.fails:
            raise ZeroDivisionError
        start("204 No Content", [("X-Answer", "1")])
        return []


HOST = ("host", "h")


def ask(
    application: Application,
    exchange: Exchange,
    headers: list[tuple[str, str]],
    unreadable: tuple[str, ...] = (),
    http_version: str = "1.1",
    **bounds: Any,
) -> dict[str, Any]:
    """Sends a request, and returns the environment that the application gets.

    Args:
        headers: those that the server could read.
        unreadable: names of those whose values it left out.
        bounds: as for `Gateway`.
    """
    scope = head("[2001:db8::2]:4711", headers, unreadable, http_version)
    asyncio.run(Gateway(application, threads=1, **bounds).__rsgi__(scope, exchange))
    return application.seen[-1]


def head(
    client: str, headers: list[tuple[str, str]], unreadable: tuple[str, ...] = (), http_version: str = "1.1"
) -> SimpleNamespace:
    """Makes a request's head as the server gives it."""
    names = [*(name for name, _ in headers), *unreadable]
    return SimpleNamespace(
        method="PUT",
        path="/süß",
        query_string="a=%20b",
        scheme="https",
        http_version=http_version,
        server="[2001:db8::1]:8443",
        client=client,
        headers=SimpleNamespace(items=lambda: headers, keys=lambda: names),
    )


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


class Crowded:
    """An application in which the requests of one address wait until a test lets them end."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.at_work = self.most_large = 0
        self._large = 0
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REMOTE_ADDR"] == "203.0.113.1" or environ["PATH_INFO"].endswith("/held"):
            is_large = bool(environ["wsgi.input"].read(1))
            with self._lock:
                self.at_work += 1
                self._large += is_large
                self.most_large = max(self.most_large, self._large)
            self.go.wait(20)
            with self._lock:
                self._large -= is_large
        start("200 OK", [])
        return [b"done"]


def test_many_requests_of_one_address_delay_no_other_address() -> None:
    """Sends 40 requests of one address and one of another: without shares, it would wait behind them for 16 threads."""
    application, payers = Crowded(), Payers()
    many, other = [Exchange() for _ in range(40)], Exchange()

    async def work() -> None:
        gateway = Gateway(application, threads=16, payers=payers, pause=0)
        crowd = [asyncio.create_task(gateway.__rsgi__(head("203.0.113.1:1", [HOST]), each)) for each in many]
        await asyncio.wait_for(gateway.__rsgi__(head("203.0.113.2:1", [HOST]), other), 10)
        assert application.at_work <= 4
        application.go.set()
        await asyncio.gather(*crowd)

    asyncio.run(work())
    assert other.answer == (200, [], b"done")
    statuses = [each.answer[0] for each in many if each.answer is not None]
    assert (statuses.count(200), statuses.count(429)) == (36, 4)
    assert payers.turned_away == {"waiting": 4}
    refused = next(each.answer for each in many if each.answer is not None and each.answer[0] == 429)
    assert dict(refused[1])["Retry-After"] == "1"
    assert "Try again" in json.loads(refused[2])["detail"]


def test_operators_pages_answer_while_all_threads_are_taken() -> None:
    """Four networks hold all threads, and one asks for operators' pages more often than its share."""
    application, payers = Crowded(), Payers()
    members = [Exchange() for _ in range(64)]
    operators = [Exchange() for _ in range(2)]
    strangers = [Exchange() for _ in range(40)]

    async def ask_all(gateway: Gateway, client: str, exchanges: list[Exchange], path: str) -> None:
        scope = head(f"{client}:1", [HOST])
        scope.path = path
        await asyncio.gather(*(gateway.__rsgi__(scope, each) for each in exchanges))

    async def work() -> None:
        gateway = Gateway(application, threads=16, payers=payers, pause=0)
        asked = [
            asyncio.create_task(ask_all(gateway, f"203.0.113.{10 + number}", members[number::4], "/api/v1/held"))
            for number in range(4)
        ]
        while application.at_work < 16:
            await asyncio.sleep(0.001)
        asked.append(asyncio.create_task(ask_all(gateway, "203.0.113.10", strangers, "/operator/held")))
        for path, exchange in zip(("/operator", "/operator/login"), operators, strict=True):
            await asyncio.wait_for(ask_all(gateway, "203.0.113.2", [exchange], path), 10)
        # One thread of operators' pages is all that a network gets there.
        assert application.at_work == 17
        application.go.set()
        await asyncio.gather(*asked)

    asyncio.run(work())
    assert [each.answer for each in operators] == [(200, [], b"done")] * 2
    statuses = [each.answer[0] for each in strangers if each.answer is not None]
    assert (statuses.count(200), statuses.count(429)) == (33, 7)
    assert payers.turned_away == {"operators": 7}


def test_a_path_like_the_operators_has_no_threads_of_its_own() -> None:
    for path, theirs in (("/operator", True), ("/operator/hub", True), ("//operator", True), ("/operators", False)):
        assert is_for_operators({"PATH_INFO": path}) == theirs, path


def test_a_payer_s_large_requests_run_one_at_a_time() -> None:
    application = Crowded()
    large, small = [Exchange(b"x" * 100_000) for _ in range(6)], [Exchange() for _ in range(3)]
    length = ("content-length", "100000")

    async def work() -> None:
        budget = Budget(places_of_one=10)
        gateway = Gateway(application, threads=16, payers=Payers(), budget=budget, pause=0)
        heads = [
            *(head("203.0.113.1:1", [HOST, length]) for _ in large),
            *(head("203.0.113.1:1", [HOST]) for _ in small),
        ]
        asked = [asyncio.create_task(gateway.__rsgi__(*each)) for each in zip(heads, [*large, *small], strict=True)]
        while application.at_work < 4:
            await asyncio.sleep(0.001)
        application.go.set()
        await asyncio.gather(*asked)

    asyncio.run(work())
    assert [each.answer for each in (*large, *small)] == [(200, [], b"done")] * 9
    # The others waited, and took none of the threads.
    assert application.most_large == 1


def test_an_organization_beyond_its_processor_share_is_refused() -> None:
    """Sends requests from several addresses: the application is not called."""
    seen: list[str] = []

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ["REMOTE_ADDR"])
        environ[PAYER].organization = "acme"
        payers.used(environ, 1.5)
        start("200 OK", [])
        return [b""]

    payers = Payers(clock=lambda: 100.0)
    token = ("cookie", "__Host-meshwg=mws_x")

    async def ask_once(client: str, *headers: tuple[str, str]) -> int:
        exchange = Exchange()
        await gateway.__rsgi__(head(client, [HOST, *headers]), exchange)
        assert exchange.answer is not None
        return exchange.answer[0]

    async def work() -> list[int]:
        return [
            await ask_once("203.0.113.1:1", token),
            await ask_once("203.0.113.1:1", token),
            await ask_once("203.0.113.3:1", token),
            await ask_once("203.0.113.1:1"),
        ]

    gateway = Gateway(application, threads=2, payers=payers, pause=0)
    assert asyncio.run(work()) == [200, 200, 429, 200]
    assert seen == ["203.0.113.1"] * 3
    assert payers.turned_away == {"processor": 1}


LARGE = 100_000


def large(length: int = LARGE) -> list[tuple[str, str]]:
    return [HOST, ("content-length", str(length))]


class Trickle(Exchange):
    """A body of which a part is there at once, and the rest never comes."""

    def __call__(self) -> asyncio.Future[bytes]:
        return asyncio.get_running_loop().create_future()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self.data or b""
        await asyncio.Event().wait()


def test_a_large_body_arrives_in_steps() -> None:
    environ = ask(Application(), Exchange(b"x" * LARGE), large())
    assert REFUSED not in environ
    assert environ["wsgi.input"].read() == b"x" * LARGE


def test_a_large_body_that_is_shorter_than_announced_is_refused() -> None:
    assert isinstance(ask(Application(), Exchange(b"x" * LARGE), large(LARGE + 1))[REFUSED], Malformed)
    assert isinstance(ask(Application(), Exchange(None), large())[REFUSED], Malformed)


def test_an_announced_large_body_loses_its_place_when_it_is_slow() -> None:
    """Announces a body of eight megabytes, and sends nothing."""
    budget = Budget(places=1)
    environ = ask(Application(), Trickle(b"x"), large(8 * 2**20), patience=0.05, budget=budget)
    assert isinstance(environ[REFUSED], TooSlow)
    assert REFUSED not in ask(Application(), Exchange(b"x" * LARGE), large(), budget=budget)


def test_a_place_is_counted_for_the_sender() -> None:
    """Looks the sender up before a place is taken, and not at all for a body that needs none."""
    asked = []

    def sender(environ: Mapping[str, Any]) -> str:
        asked.append(environ["REMOTE_ADDR"])
        return "acme"

    budget = Budget(places=5, places_of_one=1)
    with budget.taken("another"):
        assert REFUSED not in ask(Application(), Exchange(b"x" * LARGE), large(), sender=sender, budget=budget)
    with budget.taken("acme"):
        environ = ask(Application(), Exchange(b"x" * LARGE), large(), sender=sender, budget=budget)
        assert isinstance(environ[REFUSED], TooMany)
        assert "of yours" in str(environ[REFUSED])
        assert REFUSED not in ask(Application(), Exchange(b"x"), large(1), sender=sender, budget=budget)
    assert len(asked) == 2


def test_an_unauthenticated_sender_gets_no_place() -> None:
    def sender(environ: Mapping[str, Any]) -> str:
        del environ
        raise Unauthenticated("nobody")

    budget = Budget(places=0)
    assert isinstance(ask(Application(), Trickle(b""), large(), sender=sender, budget=budget)[REFUSED], Unauthenticated)


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
