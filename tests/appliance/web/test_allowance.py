"""Rate limiting: burst, sustained rate, and bounded memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from appliance.web.allowance import Allowance, Rate
from tests.appliance.clocks import Clock


def test_a_burst_is_admitted_and_then_one_call_at_a_time() -> None:
    clock = Clock(1000.0)
    allowance = Allowance(Rate(3, 30), clock=clock)
    assert [allowance.take("a") for _ in range(3)] == [0, 0, 0]
    assert allowance.take("a") == 10
    clock.now += 4
    assert allowance.take("a") == 6
    clock.now += 6
    assert allowance.take("a") == 0
    assert allowance.take("a") == 10
    clock.now += 1000
    assert [allowance.take("a") for _ in range(4)] == [0, 0, 0, 10]


def test_waits_grow_for_a_persistent_caller() -> None:
    clock = Clock(1000.0)
    allowance = Allowance(Rate(5, 60), Rate(15, 900), Rate(50, 86400), clock=clock)
    waits = []
    for _ in range(60):
        wait = allowance.take("a")
        if wait:
            waits.append(wait)
            clock.now += wait
            assert allowance.take("a") == 0
    assert waits == sorted(waits)
    assert waits[0] == 12
    assert 60 in waits
    assert waits[-1] > 1700


def test_a_refused_call_uses_up_no_allowance() -> None:
    clock = Clock(1000.0)
    allowance = Allowance(Rate(1, 10), Rate(2, 1000), clock=clock)
    assert allowance.take("a") == 0
    assert all(allowance.take("a") == 10 for _ in range(5))
    clock.now += 10
    assert allowance.take("a") == 0


def test_a_returned_unit_can_be_used_again() -> None:
    allowance = Allowance(Rate(1, 10), clock=Clock(1000.0))
    for _ in range(5):
        assert allowance.take("a") == 0
        allowance.give_back("a")
    assert allowance.take("a") == 0
    assert allowance.take("a") == 10
    allowance.give_back("nobody")


def test_callers_are_counted_independently() -> None:
    allowance = Allowance(Rate(1, 10), clock=Clock(1000.0))
    assert allowance.take("a") == 0
    assert allowance.take("b") == 0
    assert allowance.take("") == 0
    assert allowance.take("\ud800") == 0


def test_memory_is_bounded_and_keeps_persistent_callers() -> None:
    allowance = Allowance(Rate(1, 10), most=100, clock=Clock(1000.0))
    assert allowance.take("guesser") == 0
    assert allowance.take("early") == 0
    for number in range(1000):
        assert allowance.take(f"passer-by {number}") == 0
        assert allowance.take("guesser") == 10
    assert allowance.take("early") == 0


def test_concurrent_callers_get_the_allowance_once() -> None:
    allowance = Allowance(Rate(5, 60), clock=Clock(1000.0))
    together = threading.Barrier(16)

    def take(_: int) -> float:
        together.wait(10)
        return allowance.take("a")

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(take, range(16))) == [0] * 5 + [12] * 11


@given(st.lists(st.floats(0, 30), max_size=60))
def test_no_period_admits_more_than_twice_the_amount(pauses: list[float]) -> None:
    clock = Clock(1000.0)
    allowance = Allowance(Rate(5, 60), clock=clock)
    taken = []
    for pause in pauses:
        clock.now += pause
        if allowance.take("a") == 0:
            taken.append(clock.now)
    assert all(sum(start <= at < start + 60 for at in taken) <= 10 for start in taken)
