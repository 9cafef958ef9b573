"""Changes of one organization wait for each other, and for nobody else's."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue

import pytest

from appliance.model.errors import TooMany
from appliance.service.queues import Queues
from tests.waiting import DEADLINE

PATIENCE_S = 60.5
"""Seconds that nothing else waits for."""


def test_changes_run_one_after_the_other_in_order_of_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Semaphore(0)

    class Turn(threading.Event):
        """Event that tells when a change begins to wait for its turn."""

        def wait(self, timeout: float | None = None) -> bool:
            if timeout == PATIENCE_S:
                asked.release()
            return super().wait(timeout)

    monkeypatch.setattr(threading, "Event", Turn)
    queues, done, begins = Queues(patience_s=PATIENCE_S), Queue[int](), threading.Event()

    def change(number: int) -> None:
        with queues.turn("acme"):
            assert begins.wait(10)
            done.put(number)

    with ThreadPoolExecutor(8) as pool:
        made: list[Future[None]] = []
        for number in range(8):
            made.append(pool.submit(change, number))
            assert asked.acquire(timeout=DEADLINE)
        with queues.turn("bolt"):
            assert done.empty()
        begins.set()
        for each in made:
            each.result(10)
    assert [done.get() for _ in range(8)] == list(range(8))


def test_waiting_changes_are_bounded_per_organization() -> None:
    queues = Queues(most=1)
    with queues.turn("acme"):
        with pytest.raises(TooMany) as refused, queues.turn("acme"):
            pytest.fail("it had its turn")
        assert refused.value.retry_after
        with queues.turn("bolt"):
            pass
    with queues.turn("acme"):
        pass


def test_a_change_waits_for_a_limited_time() -> None:
    queues = Queues(patience_s=0.01)
    with queues.turn("acme"), pytest.raises(TooMany, match="took more"), queues.turn("acme"):
        pytest.fail("it had its turn")
    with queues.turn("acme"):
        pass


def test_a_change_that_fails_lets_the_next_one_begin() -> None:
    queues = Queues()
    with pytest.raises(ZeroDivisionError), queues.turn("acme"):
        raise ZeroDivisionError
    with queues.turn("acme"):
        pass
