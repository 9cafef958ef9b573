"""Large bodies: how they arrive, their places, and the sharing of these between senders."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from appliance.model.errors import Malformed, TooMany, TooSlow, Unauthenticated
from appliance.web.bodies import Budget
from appliance.web.gateway import Gateway
from appliance.web.payers import Payers
from appliance.web.request import REFUSED
from tests.appliance.web.exchanges import LARGE, Application, Exchange, Trickle, ask, head, large


def test_few_senders_can_t_take_all_places() -> None:
    """Has two senders take what they get: half of the places are left for senders that have none."""
    budget = Budget(places=8, places_of_one=4)
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(budget.taken("a"))
        held.enter_context(budget.taken("b"))
        for sender in ("a", "b"):
            with pytest.raises(TooMany, match="of yours"), budget.taken(sender):
                pass
        for sender in ("c", "d", "e"):
            held.enter_context(budget.taken(sender))
        with pytest.raises(TooMany, match="Too many large bodies are"), budget.taken("f"):
            pass
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(budget.taken("b"))


class Noted(Exchange):
    """A body that notes that it was read to its end."""

    is_read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.data or b""
        self.is_read = True


def test_a_large_body_keeps_its_place_until_it_is_answered() -> None:
    """Sends six large bodies of one sender, one after another, of which the first is at work: there are four places."""
    application, go = Application(), threading.Event()

    def held(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if REFUSED not in environ:
            go.wait(20)
        return application(environ, start)

    exchanges = [Noted(b"x" * LARGE) for _ in range(6)]

    async def work() -> None:
        gateway = Gateway(held, threads=4, payers=Payers(), pause=0)
        asked = []
        for each in exchanges:
            asked.append(asyncio.create_task(gateway.__rsgi__(head("203.0.113.1:1", large()), each)))
            while not (each.is_read or asked[-1].done()):
                await asyncio.sleep(0.001)
        assert [each.is_read for each in exchanges] == [True] * 4 + [False] * 2
        go.set()
        await asyncio.gather(*asked)
        # Every place is free again.
        await gateway.__rsgi__(head("203.0.113.1:1", large()), Exchange(b"x" * LARGE))

    asyncio.run(work())
    assert [environ[REFUSED].__class__ for environ in application.seen[:2]] == [TooMany] * 2
    assert [REFUSED in environ for environ in application.seen[2:]] == [False] * 5


def test_a_large_body_is_in_memory_once() -> None:
    held: list[int] = []

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        assert REFUSED not in environ
        held.append(tracemalloc.get_traced_memory()[0])
        start("200 OK", [])
        return [b""]

    size = 4 * 2**20
    exchange = Exchange(b"x" * size)
    tracemalloc.start()
    try:
        gateway = Gateway(application, threads=1)
        asyncio.run(gateway.__rsgi__(head("203.0.113.1:1", large(size)), exchange))
    finally:
        tracemalloc.stop()
    assert size <= held[0] < 1.5 * size


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
