"""Places for work go around: whoever had one last waits for those who had none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Queue

import pytest

from appliance.hub.errors import Crowded
from appliance.hub.plane.few_at_once import FewAtOnce
from tests.waiting import DEADLINE, wait_until

MOST = 2


@dataclass
class Work:
    """Work that lasts until it may end, in threads of its own.

    Attributes:
        begun: organizations in the order in which they got a place.
    """

    pool: ThreadPoolExecutor
    places: FewAtOnce = field(default_factory=lambda: FewAtOnce(MOST, MOST, "ping", retry_after=2, patience_s=DEADLINE))
    begun: Queue[str] = field(default_factory=Queue)
    ends: dict[str, threading.Event] = field(default_factory=dict)

    def begin(self, organization: str) -> Future[None]:
        self.ends[organization] = threading.Event()
        return self.pool.submit(self._do, organization)

    def end(self, organization: str) -> None:
        self.ends[organization].set()

    def wait(self, organization: str) -> Future[None]:
        """Begins work that finds no place yet."""
        before = self.places.waiting
        begun = self.begin(organization)
        wait_until(lambda: self.places.waiting == before + 1)
        return begun

    def next(self) -> str:
        return self.begun.get(timeout=DEADLINE)

    def _do(self, organization: str) -> None:
        with self.places.turn(organization):
            self.begun.put(organization)
            assert self.ends[organization].wait(DEADLINE)


@pytest.fixture
def work() -> Iterator[Work]:
    with ThreadPoolExecutor(4 * MOST) as pool:
        made = Work(pool)
        yield made
        for each in made.ends:
            made.end(each)


def hold_all(work: Work) -> list[str]:
    """Takes every place; returns who has them."""
    names = [f"hostile{number}" for number in range(MOST)]
    for each in names:
        work.begin(each)
    assert sorted(work.next() for _ in names) == names
    return names


def again(work: Work, organization: str) -> Future[None]:
    """Ends an organization's work, and begins its next one at once."""
    work.end(organization)
    wait_until(lambda: organization not in work.places.running)
    return work.begin(organization)


def test_who_had_no_place_comes_before_who_had_one(work: Work) -> None:
    first, second = hold_all(work)
    work.wait("small")
    again(work, first)
    assert work.next() == "small"
    wait_until(lambda: work.places.waiting == 1)
    work.wait("late")
    work.end(second)
    assert work.next() == "late"
    work.end("late")
    assert work.next() == first


def test_a_full_queue_drops_who_had_a_place_last(work: Work) -> None:
    first, second = hold_all(work)
    work.wait("small")
    work.wait("other")
    repeated = again(work, first)
    assert work.next() == "small"
    wait_until(lambda: work.places.waiting == 2)
    newcomer = work.begin("newcomer")
    with pytest.raises(Crowded, match="A ping of others is running"):
        repeated.result(DEADLINE)
    work.end(second)
    assert work.next() == "other"
    work.end("small")
    assert work.next() == "newcomer"
    work.end("newcomer")
    newcomer.result(DEADLINE)
    assert work.places.figures()["refused"] == 1


def test_an_organization_waits_once(work: Work) -> None:
    hold_all(work)
    work.wait("small")
    with pytest.raises(Crowded, match="your organization"):
        work.begin("small").result(DEADLINE)


def test_nobody_waits_for_long() -> None:
    places = FewAtOnce(1, 1, "ping", retry_after=2, patience_s=0.01)
    with places.turn("a"):
        with pytest.raises(Crowded, match="others"), places.turn("b"):
            pass
        assert places.waiting == 0
    with places.turn("b"):
        assert places.running == {"b"}
