"""The hub's time is shared: calls of one organization wait behind its own calls only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Queue

import pytest

from appliance.hub.errors import Crowded, GivenUp
from appliance.hub.plane.change_scheduler import MOST_WAITING, SHARE_S, ChangeScheduler
from appliance.hub.plane.usage import Usage
from appliance.hub.rpc.callers import LOCAL, WaitingCaller
from tests.appliance.hub.arbitrated import MadeUpCaller
from tests.waiting import DEADLINE, wait_until


class Works:
    """Shares on a clock that a test sets, and work that lasts until the test ends it."""

    def __init__(self, places: int = 4, of_busy: int = 2) -> None:
        self.now = 0.0
        self.worked = threading.local()
        self.turns = ChangeScheduler(
            places, of_busy, lambda: self.now, lambda: getattr(self.worked, "seconds", 0.0), look_s=0.01
        )
        self.begun: Queue[str] = Queue()
        self._ends: dict[str, list[threading.Event]] = {}
        self._asked: dict[threading.Event, Future[None]] = {}
        self._pool = ThreadPoolExecutor(32)

    def ask(
        self, organization: str, seconds: float = 0.0, caller: WaitingCaller = LOCAL, *, is_large: bool = False
    ) -> Future[None]:
        """Asks for work that takes this share of a processor; returns when it waits or has begun."""
        began, end = threading.Event(), threading.Event()
        self._ends.setdefault(organization, []).append(end)

        def work() -> None:
            with self.turns.turn(organization, caller, is_large=is_large):
                began.set()
                self.begun.put(organization)
                end.wait(10)
                self.worked.seconds = getattr(self.worked, "seconds", 0.0) + seconds

        future = self._asked[began] = self._pool.submit(work)
        wait_until(self._all_wait)
        return future

    def end(self, organization: str) -> None:
        """Ends the organization's oldest work."""
        self._ends[organization].pop(0).set()

    def used(self, organization: str, seconds: float) -> None:
        """Does work of the organization that takes this many seconds."""
        future = self.ask(organization, seconds)
        assert self.begun.get(timeout=DEADLINE) == organization
        self.end(organization)
        future.result(DEADLINE)

    def next(self) -> str:
        """Returns the organization whose work begins next."""
        return self.begun.get(timeout=DEADLINE)

    def nothing_begins(self) -> bool:
        return self.begun.empty()

    def _all_wait(self) -> bool:
        """Tells whether all work that has not begun waits for its turn."""
        left = sum(not began.is_set() and not future.done() for began, future in self._asked.items())
        return self.turns.figures()["waiting"] == left

    def close(self) -> None:
        for ends in self._ends.values():
            for each in ends:
                each.set()
        self._pool.shutdown()


@contextmanager
def made(places: int = 4, of_busy: int = 2) -> Iterator[Works]:
    works = Works(places, of_busy)
    try:
        yield works
    finally:
        works.close()


@pytest.fixture
def works() -> Iterator[Works]:
    with made() as one:
        yield one


def test_an_organization_s_work_waits_behind_its_own(works: Works) -> None:
    for _ in range(3):
        works.ask("large")
    assert works.next() == "large"
    works.ask("small")
    assert works.next() == "small"
    assert works.nothing_begins()
    works.end("large")
    assert works.next() == "large"


def test_an_organization_that_used_little_goes_first() -> None:
    with made(places=1, of_busy=1) as works:
        works.used("large", 3.0)
        works.used("larger", 9.0)
        works.used("small", 0.1)
        works.ask("somebody")
        assert works.next() == "somebody"
        for name in ("larger", "large", "small", "newcomer"):
            works.ask(name)
        order = []
        for ended in ("somebody", "small", "newcomer", "large"):
            works.end(ended)
            order.append(works.next())
        assert order == ["small", "newcomer", "large", "larger"]


def test_heavy_users_never_have_every_place(works: Works) -> None:
    for name in ("a", "b", "c"):
        works.used(name, 3.0)
    for name in ("a", "b", "c"):
        works.ask(name)
    works.ask("first-large", is_large=True)
    assert {works.next(), works.next()} == {"a", "b"}
    assert works.nothing_begins()
    for name in ("one", "two"):
        works.ask(name)
        assert works.next() == name
    works.end("a")
    # The one with least of those that had much.
    assert works.next() == "first-large"


def test_used_time_decays(works: Works) -> None:
    works.used("large", SHARE_S + 5.0)
    with pytest.raises(Crowded, match="share") as refused:
        works.ask("large").result(10)
    assert 10 < refused.value.retry_after < 20
    works.now += refused.value.retry_after
    works.ask("large")
    assert works.next() == "large"
    assert works.turns.figures()["refused_share"] == 1


def test_a_used_up_share_refuses_no_other_organization(works: Works) -> None:
    works.used("large", 10 * SHARE_S)
    works.ask("small")
    assert works.next() == "small"


def test_the_number_of_waiting_calls_is_bounded(works: Works) -> None:
    for _ in range(1 + MOST_WAITING):
        works.ask("large")
    with pytest.raises(Crowded, match="wait already") as refused:
        works.ask("large").result(10)
    assert refused.value.retry_after
    works.ask("small")
    assert {works.next(), works.next()} == {"large", "small"}
    assert works.turns.figures()["refused_waiting"] == 1


def test_a_caller_that_disconnects_leaves_the_queue(works: Works) -> None:
    works.ask("large")
    assert works.next() == "large"
    caller = MadeUpCaller()
    left = works.ask("large", caller=caller)
    works.ask("large")
    caller.dies()
    with pytest.raises(GivenUp):
        left.result(10)
    works.end("large")
    assert works.next() == "large"


def test_failed_work_gives_its_place_back() -> None:
    with made(places=1) as works:
        with pytest.raises(ZeroDivisionError), works.turns.turn("a", LOCAL):
            raise ZeroDivisionError
        works.ask("b")
        assert works.next() == "b"


def test_the_memory_of_used_time_is_bounded() -> None:
    usage = Usage(little_s=0.05, most=10)
    usage.add("large", 5.0, now=0.0)
    for number in range(30):
        usage.add(f"o{number}", 0.0, now=0.0)
        assert len(usage) <= 10
    assert usage.of("large", now=0.0) == 5.0
