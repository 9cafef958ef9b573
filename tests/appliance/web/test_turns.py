"""Threads are shared between payers: many requests of one payer delay only its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import TooMany
from appliance.web.turns import NOBODY, Turns


async def settled() -> None:
    """Waits until every task has gone as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Crowd:
    """Requests that keep their turns until the test lets them go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.at_work: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.waiting: list[str] = []
        self._go: dict[str, asyncio.Event] = {}

    async def come(self, *payers: str) -> None:
        for payer in payers:
            self.tasks.append(asyncio.create_task(self._work(payer)))
        await settled()

    async def go(self, payer: str) -> None:
        """Lets one running request of this payer end."""
        self._go[payer].set()
        await settled()

    async def _work(self, payer: str) -> None:
        self.waiting.append(payer)
        async with self.turns.turn(payer):
            self.waiting.remove(payer)
            self.at_work.append(payer)
            event = self._go.setdefault(payer, asyncio.Event())
            await event.wait()
            event.clear()
            self.at_work.remove(payer)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await work()

    asyncio.run(whole())


def test_a_payer_never_has_more_threads_than_its_share() -> None:
    async def work() -> None:
        crowd = Crowd(Turns(threads=4, share=lambda _: 2, waiting=50))
        await crowd.come(*["big"] * 24)
        assert crowd.at_work == ["big", "big"]
        await crowd.come("small")
        assert Counter(crowd.at_work) == {"big": 2, "small": 1}

    run(work)


def test_free_threads_go_to_the_payers_in_turn() -> None:
    async def work() -> None:
        crowd = Crowd(Turns(threads=1, share=lambda _: 1, waiting=50))
        await crowd.come("a", "a", "a", "b", "c")
        order = []
        for _ in range(5):
            order += crowd.at_work
            await crowd.go(crowd.at_work[0])
        assert order == ["a", "a", "b", "c", "a"]

    run(work)


def test_a_request_beyond_the_queue_is_refused_at_once() -> None:
    async def work() -> None:
        turns = Turns(threads=4, share=lambda _: 1, waiting=2)
        crowd = Crowd(turns)
        await crowd.come("a", "a", "a")
        with pytest.raises(TooMany) as refused:
            async with turns.turn("a"):
                pass
        assert refused.value.retry_after == 1
        async with turns.turn("b"):
            pass

    run(work)


def test_a_trusted_address_may_have_every_thread() -> None:
    async def work() -> None:
        crowd = Crowd(Turns(threads=3, share=lambda _: 1, waiting=0))
        await crowd.come(*[NOBODY] * 5)
        assert len(crowd.at_work) == 3
        assert len(crowd.waiting) == 2

    run(work)


def test_a_cancelled_request_gives_its_turn_back() -> None:
    async def work() -> None:
        crowd = Crowd(Turns(threads=1, share=lambda _: 1))
        await crowd.come("a", "b", "c")
        crowd.tasks[1].cancel()
        await settled()
        await crowd.go("a")
        assert crowd.at_work == ["c"]
        await crowd.go("c")
        await crowd.come("d")
        assert crowd.at_work == ["d"]

    run(work)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_no_thread_is_lost_or_idle_while_a_payer_may_have_it(steps: list[tuple[str, bool]]) -> None:
    async def work() -> None:
        crowd = Crowd(Turns(threads=3, share=lambda _: 2, waiting=100))
        for payer, comes in steps:
            if comes:
                await crowd.come(payer)
            elif payer in crowd.at_work:
                await crowd.go(payer)
            held = Counter(crowd.at_work)
            assert held.total() <= 3
            assert max(held.values(), default=0) <= 2
            if held.total() < 3:
                assert all(held[payer] == 2 for payer in crowd.waiting)
        async with AsyncExitStack() as stack:
            stack.callback(lambda: [task.cancel() for task in crowd.tasks])
        await settled()

    run(work)
