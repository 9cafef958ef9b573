"""What has a key of the caller's own happens once."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from appliance.model.errors import InProgress, Invalid, KeyReused, TooMany, Unavailable
from appliance.service import Actor, Workplace, repeats
from appliance.store import repeats as stored
from appliance.store.repeats import Answered
from tests.appliance.conftest import sign_up
from tests.appliance.members import again

ANSWER = Answered(201, "/machines/x", b"{}")


class Work:
    """Counts how often it was done."""

    def __init__(self, *faults: BaseException) -> None:
        self.done = 0
        self._faults = list(faults)

    def __call__(self) -> Answered:
        self.done += 1
        if self._faults:
            raise self._faults.pop(0)
        return ANSWER


def once(workplace: Workplace, actor: Actor, work: Work, key: str = "k", request: bytes = b"r") -> Answered | None:
    return repeats.once(workplace, actor, key=key, request=request, work=work)


def test_a_repetition_is_given_the_first_answer(workplace: Workplace, owner: Actor) -> None:
    work = Work()
    assert once(workplace, owner, work) is None
    assert once(workplace, owner, work) == ANSWER
    assert work.done == 1


def test_another_request_needs_another_key(workplace: Workplace, owner: Actor) -> None:
    work = Work()
    once(workplace, owner, work)
    with pytest.raises(KeyReused):
        once(workplace, owner, work, request=b"another")
    colleague = replace(owner, member_id="another")
    with pytest.raises(KeyReused):
        once(workplace, colleague, work)
    assert once(workplace, owner, work, key="k2", request=b"another") is None


def test_organizations_know_nothing_of_each_other_s_keys(workplace: Workplace, owner: Actor) -> None:
    work = Work()
    once(workplace, owner, work)
    assert once(workplace, sign_up(workplace, "other@example.net"), work) is None
    assert work.done == 2


def test_what_was_refused_may_be_tried_again(workplace: Workplace, owner: Actor) -> None:
    work = Work(Invalid("no"))
    with pytest.raises(Invalid):
        once(workplace, owner, work)
    assert once(workplace, owner, work) is None


def test_what_was_cut_off_is_not_done_again(workplace: Workplace, owner: Actor) -> None:
    work = Work(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        once(workplace, owner, work)
    with pytest.raises(InProgress):
        once(workplace, owner, work)
    assert work.done == 1


def test_what_was_done_is_answered_though_it_can_t_be_noted(
    workplace: Workplace, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("away")

    work = Work()
    with monkeypatch.context() as patch:
        patch.setattr(stored, "finish", fail)
        assert once(workplace, owner, work) is None
    with pytest.raises(InProgress):
        once(workplace, owner, work)
    assert work.done == 1


def test_two_at_once_are_one(workplace: Workplace, owner: Actor) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow() -> Answered:
        begun.set()
        may_end.wait(10)
        return ANSWER

    first = threading.Thread(
        target=repeats.once, args=(workplace, owner), kwargs={"key": "k", "request": b"r", "work": slow}
    )
    first.start()
    assert begun.wait(10)
    with pytest.raises(InProgress) as refused:
        once(workplace, owner, Work())
    assert refused.value.retry_after == 1
    may_end.set()
    first.join(10)
    assert once(workplace, owner, Work()) == ANSWER


def test_a_key_is_known_for_a_day(workplace: Workplace, owner: Actor) -> None:
    work = Work()
    once(workplace, owner, work)
    later = replace(workplace, clock=lambda: workplace.clock() + timedelta(hours=23))
    assert once(later, again(later, owner), work) == ANSWER
    later = replace(workplace, clock=lambda: workplace.clock() + timedelta(hours=25))
    assert once(later, again(later, owner), work) is None


def test_an_organization_has_so_many_keys_and_no_more(
    workplace: Workplace, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MOST_OF_ONE", 3)
    work = Work()
    for number in range(3):
        once(workplace, owner, work, key=str(number))
    with pytest.raises(TooMany):
        once(workplace, owner, work, key="one more")
    assert work.done == 3
    assert once(workplace, owner, work, key="0") == ANSWER
    another = sign_up(workplace, "another@example.net")
    assert once(workplace, another, work, key="one more") is None
    tomorrow = replace(workplace, clock=lambda: workplace.clock() + timedelta(hours=25))
    assert once(tomorrow, again(tomorrow, owner), work, key="one more") is None
