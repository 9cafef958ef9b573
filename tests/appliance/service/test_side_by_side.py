"""Several are asked at once; one that is silent keeps no answer of another back, and is not asked twice."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from appliance.service.side_by_side import SideBySide
from tests.waiting import DEADLINE, wait_until

_AT_ONCE_S = 0.05


def test_all_are_asked_before_one_has_answered() -> None:
    together = threading.Barrier(3)

    def ask(name: str) -> str:
        together.wait(DEADLINE)
        return name.upper()

    asked = SideBySide(ask).answers(["a", "b", "c"], DEADLINE)
    assert {name: each.result(0) for name, each in asked.items()} == {"a": "A", "b": "B", "c": "C"}


def test_a_silent_one_keeps_no_answer_back() -> None:
    answers, times = threading.Event(), Counter[str]()

    def ask(name: str) -> str:
        times[name] += 1
        if name == "silent" and not answers.wait(DEADLINE):
            raise AssertionError
        return name

    of = SideBySide(ask)
    for _ in range(3):
        asked = of.answers(["silent", "well"], _AT_ONCE_S)
        wait_until(asked["well"].done)
        assert not asked["silent"].done()
    assert times == {"silent": 1, "well": 3}
    answers.set()
    assert of.answers(["silent"], DEADLINE)["silent"].result(0) == "silent"
    assert of.answers(["silent"], DEADLINE)["silent"].result(0) == "silent"


def test_each_is_asked_by_the_same_thread_again() -> None:
    of = SideBySide(lambda _: threading.current_thread())
    first, second = (of.answers(["a", "b"], DEADLINE) for _ in range(2))
    assert first["a"].result(0) is second["a"].result(0)
    assert first["a"].result(0) is not first["b"].result(0)


def test_an_error_is_the_answer_of_one_alone() -> None:
    def ask(name: str) -> int:
        return int(name)

    asked = SideBySide(ask).answers(["7", "none"], DEADLINE)
    assert asked["7"].result(0) == 7
    with pytest.raises(ValueError, match="none"):
        asked["none"].result(0)
