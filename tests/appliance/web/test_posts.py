"""Repeated posts are answered once, in bounded memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.model.errors import InProgress, Invalid
from appliance.web.posts import Posts


def test_repetitions_during_a_post_get_the_same_answer() -> None:
    posts: Posts[object, str] = Posts()
    begun, may_end = threading.Event(), threading.Event()
    made: list[object] = []

    def work() -> object:
        begun.set()
        assert may_end.wait(10)
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(posts.answer, b"x", work)
        assert begun.wait(10)
        others = [pool.submit(posts.answer, b"x", work) for _ in range(3)]
        while posts.counted["joined"] < 3:
            pass
        assert posts.answer(b"y", lambda: "another post") == "another post"
        may_end.set()
        answers = [each.result(10) for each in (first, *others)]
    assert len(made) == 1
    assert answers == made * 4
    assert posts.answer(b"x", work) is not made[0], "it is over"


def test_repetitions_during_a_refused_post_get_its_refusal() -> None:
    posts: Posts[str, str] = Posts()
    begun, may_end = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        assert may_end.wait(10)
        raise Invalid("no")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(posts.answer, b"x", work)
        assert begun.wait(10)
        second = pool.submit(posts.answer, b"x", work)
        while not posts.counted["joined"]:
            pass
        may_end.set()
        for each in (first, second):
            with pytest.raises(Invalid):
                each.result(10)


def test_a_repetition_waits_for_a_limited_time() -> None:
    posts: Posts[str, str] = Posts(patience_s=0.01)

    def work() -> str:
        with pytest.raises(InProgress):
            posts.answer(b"x", lambda: "never")
        return "done"

    assert posts.answer(b"x", work) == "done"


def test_memory_is_bounded_for_each_caller_and_in_all() -> None:
    posts: Posts[str, str] = Posts(most_of_one=3, most_callers=2)
    for number in range(100):
        posts.note("greedy", b"%d" % number, "done")
    posts.note("modest", b"1", "done")
    assert posts.find("modest", b"1") == "done", "another caller's take no room from it"
    assert posts.find("greedy", b"99") == "done"
    assert posts.find("greedy", b"96") is None
    assert posts.find("modest", b"99") is None
    assert posts.counted["forgotten"] == 97
    for number in range(100):
        posts.note(str(number), b"1", "done")
    assert len(posts) == 2
