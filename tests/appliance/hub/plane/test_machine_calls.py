"""Machines are called beside the checks of the front door, once for each organization after repeated damage."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import pytest
from structlog.testing import capture_logs

from appliance.hub.errors import HubError, Occupied
from appliance.hub.plane.machine_calls import DELAYS_S, MachineCalls
from tests.waiting import wait_until

_DEADLINE_S = 30.0
MANY = tuple(f"organization{number}" for number in range(200))


@contextmanager
def calling(calls: MachineCalls) -> Iterator[MachineCalls]:
    """Provides calls that have begun, and that end with the block."""
    calls.start()
    try:
        yield calls
    finally:
        calls.stop()


def test_a_check_of_the_door_waits_for_no_call() -> None:
    """Calls hundreds of organizations meanwhile, of which one hangs."""
    entered, may_end, made = threading.Event(), threading.Event(), Queue[str]()

    def call(organization: str, _misled_until: float) -> None:
        entered.set()
        may_end.wait(_DEADLINE_S)
        made.put(organization)

    with calling(MachineCalls(lambda: MANY, call)) as calls:
        for _ in range(3):
            calls.call_all(time.monotonic())
            assert entered.wait(_DEADLINE_S)
            assert calls.figures()["made"] == 0
        may_end.set()
        assert {made.get(timeout=_DEADLINE_S) for _ in range(len(MANY) + 1)} == set(MANY)


def test_an_organization_is_due_once_after_repeated_damage() -> None:
    calls = MachineCalls(lambda: MANY, lambda _organization, _misled_until: None)
    for _ in range(1000):
        calls.call_all(time.monotonic())
    assert calls.figures() == {"due": len(MANY), "made": 0, "failed": 0}


def test_calls_go_on_until_wireguard_repeats_its_handshake() -> None:
    made: Queue[tuple[float, float]] = Queue()
    repaired = time.monotonic()

    def call(_organization: str, misled_until: float) -> None:
        made.put((time.monotonic(), misled_until))

    # The last one is after WireGuard has repeated a handshake, which it does after five seconds (REKEY_TIMEOUT).
    assert DELAYS_S[-1] > 5
    delays = tuple(delay / 20 for delay in DELAYS_S)
    with calling(MachineCalls(lambda: ("one",), call, delays)) as calls:
        calls.call_all(repaired)
        for delay in delays:
            at, misled_until = made.get(timeout=_DEADLINE_S)
            assert at - repaired >= delay
            assert misled_until == repaired
        wait_until(lambda: calls.figures() == {"due": 0, "made": len(DELAYS_S), "failed": 0})


@pytest.mark.parametrize("error", [HubError("its link is gone"), LookupError("unforeseen")])
def test_a_failed_call_prevents_no_other_call(error: Exception) -> None:
    made: Queue[str] = Queue()

    def call(organization: str, _misled_until: float) -> None:
        if organization == "one":
            raise error
        made.put(organization)

    with capture_logs() as logs, calling(MachineCalls(lambda: ("one", "two", "three"), call)) as calls:
        calls.call_all(time.monotonic())
        assert {made.get(timeout=_DEADLINE_S) for _ in range(2)} == {"two", "three"}
        assert calls.figures()["failed"] == 1
    (told,) = [entry for entry in logs if entry["event"] == "machines can't be called"]
    assert told["organization"] == "one"
    assert told["exc_info"] is isinstance(error, LookupError)


def test_an_organization_being_changed_is_called_later() -> None:
    changed, made = threading.Event(), Queue[str]()

    def call(organization: str, _misled_until: float) -> None:
        if organization == "busy" and not changed.is_set():
            raise Occupied("not now")
        made.put(organization)

    with calling(MachineCalls(lambda: ("busy", "other"), call)) as calls:
        calls.call_all(time.monotonic())
        assert made.get(timeout=_DEADLINE_S) == "other"
        changed.set()
        assert made.get(timeout=_DEADLINE_S) == "busy"
