"""Gateway between the server and the WSGI application: it reads bodies within limits before a thread is used.

The server reads heads by itself. If the application's threads read bodies, as in WSGI, a few slow clients could occupy
all of them. Threads are shared fairly (`turns`), each request using its payer's share (`payers`). Operators' pages have
threads of their own.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from typing import Any, Protocol

import structlog

from appliance.model.addresses import Network
from appliance.model.errors import LengthRequired, Malformed, Refused, TooLarge, TooMany, TooSlow
from appliance.web import problems
from appliance.web.bodies import SMALL, Budget
from appliance.web.payers import Payers
from appliance.web.proxies import client_address
from appliance.web.request import PAYER, REFUSED, Payer, is_for_operators
from appliance.web.turns import OPERATOR_THREADS, Turns

log = structlog.get_logger()

LARGEST_BODY = 8 * 2**20

# Headers that browsers add, with any bytes; without them a request is only a stranger's.
_OPAQUE = frozenset({"cookie", "referer", "user-agent"})
_PATIENCE = 10.0
# A refusal at once would be repeated in a loop, and each takes a little of everybody's time.
_PAUSE = 1.0
_SLOWEST = 50_000

# Finding a large body's payer takes less than a millisecond.
_ASKERS = 2

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and body of an answer."""


class RequestHead(Protocol):
    """Head of a request, as the server passes it (RSGI)."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def query_string(self) -> str: ...

    @property
    def scheme(self) -> str: ...

    @property
    def http_version(self) -> str: ...

    @property
    def server(self) -> str: ...

    @property
    def client(self) -> str: ...

    @property
    def headers(self) -> Any: ...


class Exchange(Protocol):
    """Body of a request, and its answer (RSGI)."""

    def __call__(self) -> Awaitable[bytes]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


def _by_address(environ: Mapping[str, Any]) -> str:
    return str(environ["REMOTE_ADDR"])


_LARGE_AT_ONCE = 2
"""Requests with large bodies that run at once, one of each payer, as their cost is known only afterwards."""


class Gateway:
    """RSGI application that passes whole requests to a WSGI application in threads.

    Args:
        application: the WSGI application.
        threads: number of requests that run at once, beside those for operators' pages.
        patience: longest time for a small body, in seconds; a large one gets one more second for every `_SLOWEST` bytes
            received.
        budget: places for large bodies.
        payers: finds the payer of a request.
        pause: seconds before a request beyond a share is answered.
        sender: finds the payer of a large body from the request's head, or raises `Refused`; may ask the store.
        proxies: ranges of trusted proxies.
    """

    def __init__(
        self,
        application: Application,
        *,
        threads: int,
        patience: float = _PATIENCE,
        budget: Budget | None = None,
        payers: Payers | None = None,
        pause: float = _PAUSE,
        sender: Callable[[Mapping[str, Any]], str] = _by_address,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._patience = patience
        self._budget = Budget() if budget is None else budget
        self._payers = Payers() if payers is None else payers
        self._turns = Turns(threads, self._payers.share)
        self._operators_threads = ThreadPoolExecutor(OPERATOR_THREADS, thread_name_prefix="operator")
        self._operators_turns = Turns(OPERATOR_THREADS, lambda _: 1)
        self._large_turns = Turns(_LARGE_AT_ONCE, lambda _: 1)
        self._pause = pause
        self._sender = sender
        self._proxies = proxies
        # Separate threads: the application's may all be in use.
        self._askers = ThreadPoolExecutor(_ASKERS, thread_name_prefix="sender")

    async def __rsgi__(self, scope: RequestHead, exchange: Exchange) -> None:
        """Answer a request."""
        environ = _environ(scope, self._proxies)
        # A large body is in memory, and so keeps its place, until it is answered.
        with ExitStack() as place:
            try:
                _check_head(scope)
                body = await self._read(environ, exchange, place)
            except Refused as refusal:
                # The rest of the body would be taken for the next request, so the connection ends with the answer. The
                # server ends it once the exchange is let go, and the frames that the refusal came through would hold
                # that.
                refusal.__context__ = None
                environ[REFUSED], body = refusal.with_traceback(None), b""
                place.close()
            environ["wsgi.input"] = io.BytesIO(body)
            payer = environ[PAYER] = self._payers.payer_of(environ)
            try:
                answer = await self._in_turn(payer, environ, is_large=len(body) > SMALL)
            except TooMany as refusal:
                await asyncio.sleep(self._pause)
                answer = problems.bare(refusal)
            exchange.response_bytes(*_closing(environ, *answer))

    async def _in_turn(self, payer: Payer, environ: dict[str, Any], *, is_large: bool) -> Answer:
        reason = "processor"
        try:
            self._payers.check(payer)
            reason, turns, threads = "waiting", self._turns, self._threads
            if is_for_operators(environ):
                reason, turns, threads = "operators", self._operators_turns, self._operators_threads
            async with (
                self._large_turns.turn(payer.name) if is_large else nullcontext(),
                turns.turn(payer.name),
            ):
                # Those that it waited for may have used up the share.
                reason = "processor"
                self._payers.check(payer)
                return await asyncio.get_running_loop().run_in_executor(threads, self._answer, environ)
        except TooMany:
            self._payers.note_turned_away(payer, reason)
            raise

    async def _read(self, environ: dict[str, Any], exchange: Exchange, place: ExitStack) -> bytes:
        if "HTTP_TRANSFER_ENCODING" in environ:
            raise LengthRequired("Send the body with a Content-Length.")
        length = _length(environ)
        if length == 0:
            return b""
        if length > LARGEST_BODY:
            raise TooLarge("The body is longer than {largest} bytes.", largest=LARGEST_BODY)
        try:
            if length <= SMALL:
                return bytes(await _within(self._patience, exchange()))
            # Places are scarce, and only the request's head tells the payer.
            sender = await asyncio.get_running_loop().run_in_executor(self._askers, self._sender, environ)
            place.enter_context(self._budget.taken(sender))
            return await self._in_steps(length, exchange)
        except asyncio.TimeoutError:
            raise TooSlow("The body was not there in time.") from None
        except RuntimeError:
            raise Malformed("The body ended before its Content-Length.") from None

    async def _in_steps(self, length: int, exchange: Exchange) -> bytes:
        """Receive a large body, which must make steady progress; without any, it keeps its place for `patience`."""
        loop = asyncio.get_running_loop()
        began, arrived = loop.time(), bytearray()
        chunks = aiter(exchange)
        while True:
            left = began + self._patience + len(arrived) / _SLOWEST - loop.time()
            try:
                arrived += await _within(max(left, 0.0), anext(chunks))
            except StopAsyncIteration:
                break
        if len(arrived) != length:
            raise Malformed("The body ended before its Content-Length.")
        return bytes(arrived)

    def _answer(self, environ: dict[str, Any]) -> Answer:
        start = time.thread_time()
        status, headers, body = self._answered(environ)
        # Before the answer, as the payer's next request may follow at once.
        self._payers.used(environ, time.thread_time() - start, len(body))
        return status, headers, body

    def _answered(self, environ: dict[str, Any]) -> Answer:
        started: list[tuple[int, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            del exc_info
            started[:] = [(int(status[:3]), headers)]

        try:
            chunks = self._application(environ, start)
            try:
                body = b"".join(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
        except Exception:
            log.exception("a request failed outside of the application", path=environ["PATH_INFO"])
            started, body = [(500, [])], b""
        return *started[0], body


async def _within(seconds: float, part: Awaitable[bytes]) -> bytes:
    """Wait for a body, or some of it.

    Raises:
        asyncio.TimeoutError: it is not there in time.
    """
    try:
        return await asyncio.wait_for(part, seconds)
    except Exception as error:  # noqa: BLE001 - it is raised again
        # A future keeps its error, an error the frames that it came through, and `wait_for`'s and this one the future.
        # The garbage collector can't look into the server's futures, and would never free them.
        del part
        raise error.with_traceback(None) from None


def _closing(environ: dict[str, Any], status: int, headers: list[tuple[str, str]], body: bytes) -> Answer:
    """Make the answer end the connection if the request's body was not read."""
    return status, [*headers, ("Connection", "close")] if REFUSED in environ else headers, body


def _check_head(scope: RequestHead) -> None:
    """Raise `Malformed` if Host is missing, or a header that may matter is unreadable.

    The server leaves out values that are not ASCII, and a change whose condition was left out would be made without it.
    """
    found = [name for name, _ in scope.headers.items()]
    unreadable = set(scope.headers.keys()) - set(found) - _OPAQUE
    if unreadable:
        raise Malformed("The header {header} has characters other than ASCII's.", header=min(unreadable))
    # Source: RFC 9112, 3.2.
    if found.count("host") > 1 or ("host" not in found and scope.http_version != "1.0"):
        raise Malformed("A request has one Host header.")


def _environ(scope: RequestHead, proxies: Sequence[Network]) -> dict[str, Any]:
    """Convert the head to a WSGI environment, with the client's address also behind proxies. Source: PEP 3333."""
    server, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:
            # It would look like a header with hyphens, such as a proxy's X-Forwarded-For.
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        # Cookies can't be joined by commas (RFC 9110, 5.3).
        environ[key] = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}" if key in environ else value
    peer = scope.client.rpartition(":")[0].strip("[]")
    environ["REMOTE_ADDR"] = client_address(peer, environ.get("HTTP_X_FORWARDED_FOR", ""), proxies)
    return environ


def _length(environ: dict[str, Any]) -> int:
    text = str(environ.get("CONTENT_LENGTH", "0"))
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Malformed("The Content-Length is not a number.")
    return int(text)
