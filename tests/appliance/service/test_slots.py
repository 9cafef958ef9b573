"""Slots for concurrent work: fair order, and refusals when too many callers wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from appliance.model.errors import TooMany
from appliance.service import passwords
from appliance.service.passwords import Caller
from appliance.service.slots import Slots
from tests.waiting import DEADLINE


class Line:
    """Callers that wait one behind another, and those that had their turns, in order."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.served: list[str] = []
        self._pool = ThreadPoolExecutor(32)
        self._go_on = threading.Event()
        self._held = threading.Event()
        self._waited = 0

    def hold(self) -> None:
        """Takes the only slot, until `let_go`."""

        def work() -> None:
            with self.slots.taken("holder"):
                self._held.set()
                assert self._go_on.wait(DEADLINE)

        self._pool.submit(work)
        assert self._held.wait(DEADLINE)

    def come(self, name: str, *, is_favoured: bool = False) -> Future[None]:
        """Starts a caller whose crowd is the first letter of its name; returns once it waits or is refused."""

        def work() -> None:
            with self.slots.taken(name[0], is_favoured=is_favoured):
                self.served.append(name)

        before = self.slots.waiting + self.slots.refused
        found = self._pool.submit(work)
        while self.slots.waiting + self.slots.refused == before and not found.done():
            pass
        return found

    def let_go(self) -> None:
        """Frees the slot and waits until every caller had its turn."""
        self._go_on.set()
        self._pool.shutdown()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line(Slots(at_once=1, waiting=4, patience=DEADLINE))
    made.hold()
    yield made
    made.let_go()


def test_crowds_take_turns(line: Line) -> None:
    for name in ("a1", "a2", "a3", "b1"):
        line.come(name)
    line.let_go()
    assert line.served == ["a1", "b1", "a2", "a3"]


def test_the_largest_crowd_makes_room_for_a_smaller_one(line: Line) -> None:
    flood = [line.come(f"a{number}") for number in range(6)]
    assert all(isinstance(each.exception(DEADLINE), TooMany) for each in flood[4:])
    assert not any(each.done() for each in flood[:4])
    line.come("b1")
    line.let_go()
    refused = [each.exception() is not None for each in flood]
    assert refused == [False, False, False, True, True, True]
    assert all(isinstance(each.exception(), TooMany) for each in flood[3:])
    assert line.served == ["a0", "b1", "a1", "a2"]


def test_favoured_callers_come_first_and_are_never_refused(line: Line) -> None:
    for name in ("a1", "b1", "c1", "d1"):
        line.come(name)
    known = [line.come(f"k{number}", is_favoured=True) for number in range(5)]
    assert isinstance(line.come("e1").exception(), TooMany)
    line.let_go()
    assert [each.exception() for each in known] == [None] * 5
    assert line.served == ["k0", "k1", "k2", "k3", "k4", "a1", "b1", "c1", "d1"]


def test_a_caller_waits_for_a_limited_time() -> None:
    impatient = Line(Slots(at_once=1, waiting=4, patience=0))
    impatient.hold()
    assert isinstance(impatient.come("a1").exception(), TooMany)
    assert impatient.slots.waiting == 0
    impatient.let_go()
    with impatient.slots.taken("a"):
        pass


def test_failed_work_gives_its_slot_back() -> None:
    slots = Slots(at_once=1, waiting=0, patience=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), slots.taken("a"):
            raise ZeroDivisionError
    with slots.taken("a"), pytest.raises(TooMany), slots.taken("a"):
        pass


def test_concurrent_work_is_bounded() -> None:
    slots = Slots(at_once=2, waiting=100)
    at_work, most = 0, 0
    lock = threading.Lock()

    def work(number: int) -> None:
        nonlocal at_work, most
        for _ in range(50):
            with slots.taken(str(number)):
                with lock:
                    at_work += 1
                    most = max(most, at_work)
                with lock:
                    at_work -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert 1 <= most <= 2
    assert slots.waiting == 0


@pytest.mark.parametrize("hash_it", [passwords.hash_password, lambda text: passwords.verify(None, text)])
def test_every_password_hash_takes_a_slot(monkeypatch: pytest.MonkeyPatch, hash_it: object) -> None:
    monkeypatch.setattr(passwords, "slots", Slots(at_once=1, waiting=0, patience=0))
    assert callable(hash_it)
    hash_it("correct horse battery")
    with passwords.slots.taken("holder"), passwords.on_behalf_of(Caller("a")), pytest.raises(TooMany):
        hash_it("correct horse battery")
