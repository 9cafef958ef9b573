"""Long answers are made once, and kept within bounds."""

from __future__ import annotations

import threading

import pytest

from appliance.web.answers import Answer, Answers


def test_an_answer_is_made_once_a_version() -> None:
    answers, made = Answers(), []

    def make(version: int) -> Answer:
        made.append(version)
        return Answer(version, b"x" * version)

    for version in (1, 1, 2, 2, 1):
        assert answers.get("a", version, lambda version=version: make(version)).data == b"x" * version  # type: ignore[misc]
    assert made == [1, 2, 1]
    assert answers.get("b", 1, lambda: make(1)).version == 1
    assert made == [1, 2, 1, 1]


def test_those_who_ask_at_the_same_time_get_one_answer() -> None:
    answers, made = Answers(), []
    started, go = threading.Event(), threading.Event()

    def make() -> Answer:
        started.set()
        go.wait(10)
        made.append(1)
        return Answer(1, b"long")

    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(answers.get("a", 1, make).data)) for _ in range(24)]
    for thread in threads:
        thread.start()
    started.wait(10)
    go.set()
    for thread in threads:
        thread.join()
    assert found == [b"long"] * 24
    assert made == [1]


def test_what_can_t_be_made_is_tried_again() -> None:
    answers = Answers()

    def fail() -> Answer:
        raise KeyError

    with pytest.raises(KeyError):
        answers.get("a", 1, fail)
    assert answers.get("a", 1, lambda: Answer(1, b"")).data == b""


def test_the_bytes_that_are_kept_are_bounded() -> None:
    answers = Answers(most_bytes=100)
    made: list[str] = []

    def get(key: str, size: int) -> None:
        def make() -> Answer:
            made.append(key)
            return Answer(1, b"x" * size)

        answers.get(key, 1, make)

    get("a", 40)
    get("b", 40)
    get("a", 40)
    get("c", 40)
    assert made == ["a", "b", "c"]
    get("a", 40)
    get("b", 40)
    assert made == ["a", "b", "c", "b"]
    get("huge", 500)
    get("huge", 500)
    assert made[-2:] == ["huge", "huge"]
