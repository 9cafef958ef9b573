"""A cache of long answers, bounded in memory."""

from __future__ import annotations

import threading

import pytest

from appliance.web.answer_cache import AnswerCache, EncodedAnswer


def test_an_answer_is_made_once_for_each_version() -> None:
    answers, made = AnswerCache(), []

    def make(version: int) -> EncodedAnswer:
        made.append(version)
        return EncodedAnswer(version, b"x" * version)

    for version in (1, 1, 2, 2, 1):
        assert answers.get("a", version, lambda version=version: make(version)).data == b"x" * version  # type: ignore[misc]
    assert made == [1, 2, 1]
    assert answers.get("b", 1, lambda: make(1)).version == 1
    assert made == [1, 2, 1, 1]


def test_simultaneous_callers_share_one_answer() -> None:
    answers, made = AnswerCache(), []
    started, go = threading.Event(), threading.Event()

    def make() -> EncodedAnswer:
        started.set()
        go.wait(10)
        made.append(1)
        return EncodedAnswer(1, b"long")

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


def test_a_failed_answer_is_tried_again() -> None:
    answers = AnswerCache()

    def fail() -> EncodedAnswer:
        raise KeyError

    with pytest.raises(KeyError):
        answers.get("a", 1, fail)
    assert answers.get("a", 1, lambda: EncodedAnswer(1, b"")).data == b""


def test_the_cached_bytes_are_bounded() -> None:
    answers = AnswerCache(most_bytes=100)
    made: list[str] = []

    def get(key: str, size: int) -> None:
        def make() -> EncodedAnswer:
            made.append(key)
            return EncodedAnswer(1, b"x" * size)

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
