"""Repetitions of a request, known by a key or by a form, do its work once."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from appliance.model.access import Scope
from appliance.model.errors import InProgress, Invalid, KeyReused, TooMany
from appliance.model.organization import Role
from appliance.service import Actor, Context, repeats
from appliance.service.underway import Underway
from appliance.store.repeats import StoredAnswer
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.members import again, colleague
from tests.appliance.service.repeated import ANSWER, WAYS, Way, Work, by_form, once


@WAYS
def test_a_repetition_gets_the_first_answer(context: Context, owner: Actor, way: Way) -> None:
    work = Work(context)
    assert way(context, owner, work) is None
    assert way(context, owner, work) == ANSWER
    assert work.done == 1


def test_another_request_needs_another_key(context: Context, owner: Actor) -> None:
    work = Work(context)
    once(context, owner, work)
    with pytest.raises(KeyReused):
        once(context, owner, work, request=b"another")
    colleague = replace(owner, member_id="another")
    with pytest.raises(KeyReused):
        once(context, colleague, work)
    assert once(context, owner, work, key="k2", request=b"another") is None


def test_a_form_with_other_content_is_another_request(context: Context, owner: Actor) -> None:
    work = Work(context)
    assert by_form(context, owner, work) is None
    assert by_form(context, owner, work, b"another") is None
    assert once(context, owner, work, key="f") is None
    assert work.done == 3


def test_keys_of_two_organizations_are_independent(context: Context, owner: Actor) -> None:
    work = Work(context)
    other = sign_up(context, "other@example.net")

    def in_between(actor: Actor) -> StoredAnswer:
        """Uses the key in another organization while the first one's request is worked on."""
        assert once(context, other, work) is None
        return work(actor)

    assert repeats.idempotent(context, owner, key="k", request=b"r", work=in_between) is None
    assert work.done == 2


@WAYS
def test_a_refused_request_may_be_tried_again(context: Context, owner: Actor, way: Way) -> None:
    work = Work(context, Invalid("no"))
    with pytest.raises(Invalid):
        way(context, owner, work)
    assert way(context, owner, work) is None


def test_two_equal_requests_at_once_are_done_once(context: Context, owner: Actor) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(_: Actor) -> StoredAnswer:
        begun.set()
        may_end.wait(10)
        return ANSWER

    first = threading.Thread(
        target=repeats.idempotent, args=(context, owner), kwargs={"key": "k", "request": b"r", "work": slow}
    )
    first.start()
    assert begun.wait(10)
    with pytest.raises(InProgress) as refused:
        once(context, owner, Work(context))
    assert refused.value.retry_after == 1
    may_end.set()
    first.join(10)
    assert once(context, owner, Work(context)) == ANSWER


def test_few_large_answers_are_kept(context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks for large answers that change nothing, with a new key each: they would fill the store."""
    monkeypatch.setattr(repeats, "MOST_LARGE", 1)
    large, small = (replace(ANSWER, body=bytes(size)) for size in (repeats.LARGEST_ANSWER, repeats.LATER_ANSWER))
    for key, answer, kept in (("a", large, large), ("b", large, None), ("c", small, small)):
        for again_kept in (None, kept):
            assert once(context, owner, lambda _, answer=answer: answer, key=key) == again_kept  # type: ignore[misc]


@WAYS
def test_of_two_processes_one_does_a_request(context: Context, owner: Actor, way: Way) -> None:
    """Repeats a request at another host's process while the first works on it: the first gets the other's answer."""
    other = Work(context)
    mine = Work(context)

    def work(actor: Actor) -> StoredAnswer:
        assert way(replace(context, underway=Underway()), owner, other) is None
        return mine(actor)

    assert way(context, owner, work) == ANSWER
    assert (other.done, mine.done) == (1, 0)


def test_a_key_is_known_for_a_day(context: Context, owner: Actor) -> None:
    work = Work(context)
    once(context, owner, work)
    later = after(context, timedelta(hours=23))
    assert once(later, again(later, owner), work) == ANSWER
    later = after(context, timedelta(hours=25))
    assert once(later, again(later, owner), work) is None


@WAYS
def test_a_clock_ahead_for_a_while_forgets_no_request(context: Context, owner: Actor, way: Way) -> None:
    """The clock is two days ahead while another request comes, and set right after that."""
    work, other = Work(context), Work(context)
    way(context, owner, work)
    ahead = replace(context, clock=lambda: context.clock() + timedelta(days=2), removal_clock=context.clock)
    assert once(ahead, again(ahead, owner), other, "another key") is None
    assert way(context, again(context, owner), work) is not None
    assert work.done == 1


def test_the_keys_of_an_organization_are_bounded(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MOST_OF_ONE", 3)
    work = Work(context)
    for number in range(3):
        once(context, owner, work, key=str(number))
    with pytest.raises(TooMany):
        once(context, owner, work, key="one more")
    assert work.done == 3
    assert context.refusals["keys"] == 1
    assert once(context, owner, work, key="0") == ANSWER
    assert by_form(context, owner, work) is None, "forms are counted by themselves"
    another = sign_up(context, "another@example.net")
    assert once(context, another, work, key="one more") is None
    tomorrow = after(context, timedelta(hours=25))
    assert once(tomorrow, again(tomorrow, owner), work, key="one more") is None


@pytest.mark.parametrize("reader", ["viewer", "token"])
def test_who_may_only_look_uses_up_a_part_of_the_keys(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    monkeypatch.setattr(repeats, "MOST_OF_ONE", 2 * repeats.READERS_PART)
    viewer = colleague(context, owner, Role.VIEWER)
    looking = viewer if reader == "viewer" else replace(owner, token="t", scope=Scope.READ)
    for number in range(2):
        assert once(context, looking, lambda _: ANSWER, key=str(number)) is None
    with pytest.raises(TooMany) as refused:
        once(context, looking, lambda _: ANSWER, key="one more")
    assert str(refused.value).startswith("2 keys")
    assert once(context, looking, lambda _: ANSWER, key="0") == ANSWER, "what is remembered is answered"
    for number in range(2, repeats.MOST_OF_ONE):
        assert once(context, owner, lambda _: ANSWER, key=str(number)) is None
    with pytest.raises(TooMany):
        once(context, owner, lambda _: ANSWER, key="one more")


def test_a_member_s_forms_don_t_use_up_other_members_bound(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MOST_FORMS", 3)
    work = Work(context)
    for number in range(3):
        by_form(context, owner, work, bytes([number]))
    with pytest.raises(TooMany):
        by_form(context, owner, work, b"one more")
    assert work.done == 3
    assert context.refusals["forms"] == 1
    assert by_form(context, owner, work, bytes([0])) == ANSWER
    assert by_form(context, colleague(context, owner, Role.ADMIN), work, b"one more") is None
    assert once(context, owner, work) is None
