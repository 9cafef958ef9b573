"""Places that are shared: each has its part."""

from __future__ import annotations

import threading

from appliance.shared_places import SharedPlaces
from tests.waiting import DEADLINE


def test_nobody_holds_more_than_a_part() -> None:
    places = SharedPlaces(4, 3)
    assert [places.take("a") for _ in range(5)] == [True, True, True, False, False]
    assert [places.take("b"), places.take("b")] == [True, False]
    places.give_back("a")
    assert [places.take("b"), places.take("c")] == [True, False]


def test_a_place_that_is_given_back_goes_to_who_waits() -> None:
    places = SharedPlaces(1, 1)
    assert places.take("a")
    got: list[bool] = []
    waiting = threading.Thread(target=lambda: got.append(places.take("b", DEADLINE)))
    waiting.start()
    places.give_back("a")
    waiting.join(DEADLINE)
    assert got == [True]


def test_a_wait_for_a_place_ends() -> None:
    places = SharedPlaces(1, 1)
    assert places.take("a")
    assert not places.take("b", 0.01)
    places.give_back("a")
    assert places.take("b")
