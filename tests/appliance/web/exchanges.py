"""Requests as the server hands them to the gateway, and an application behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from appliance.web.gateway import Gateway

HOST = ("host", "h")

LARGE = 100_000


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
