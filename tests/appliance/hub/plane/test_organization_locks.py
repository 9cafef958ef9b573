"""Locks of organizations exclude, and are gone when nobody holds or awaits them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.hub.errors import Occupied
from appliance.hub.plane.organization_locks import OrganizationLocks
from tests.waiting import DEADLINE, wait_until


def test_a_lock_is_gone_when_nobody_holds_it() -> None:
    locks = OrganizationLocks()
    for number in range(100):
        with locks.holding(f"o{number}"):
            assert len(locks) == 1
    with pytest.raises(ValueError, match="failed"), locks.holding("o"):
        raise ValueError("failed")
    assert len(locks) == 0


def test_a_wait_for_an_organization_ends_in_time() -> None:
    locks = OrganizationLocks()
    with locks.holding("one"):
        with ThreadPoolExecutor() as pool, pytest.raises(Occupied):
            pool.submit(lambda: locks.holding("one", 0.01).__enter__()).result(DEADLINE)
        # Another organization's is free.
        with locks.holding("two", 0.01):
            assert len(locks) == 2
    assert len(locks) == 0
    with locks.holding("one", 0.01):
        pass


def test_threads_that_wait_have_the_lock_one_by_one() -> None:
    locks, inside, most = OrganizationLocks(), list[int](), list[int]()

    def work(number: int) -> None:
        for _ in range(50):
            with locks.holding("one"):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work, number) for number in range(8)]:
            future.result(DEADLINE)
    assert set(most) == {1}
    assert len(most) == 400
    assert len(locks) == 0


def test_all_who_hold_a_lock_are_awaited() -> None:
    locks, goes_on, ended = OrganizationLocks(), threading.Event(), threading.Event()
    holding = threading.Barrier(3)

    def hold(organization: str) -> None:
        with locks.holding(organization):
            holding.wait(DEADLINE)
            assert goes_on.wait(DEADLINE)

    def end() -> None:
        locks.await_all()
        ended.set()

    with ThreadPoolExecutor() as pool:
        work = [pool.submit(hold, each) for each in ("one", "two")]
        holding.wait(DEADLINE)
        work.append(pool.submit(end))
        wait_until(lambda: not work[-1].done())
        assert not ended.is_set()
        goes_on.set()
        for future in work:
            future.result(DEADLINE)
    assert len(locks) == 0
