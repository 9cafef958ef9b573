"""Repetitions of a request, known by a key or by a form, do its work once."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import Connection

from appliance.model.access import Scope
from appliance.model.errors import InProgress, Invalid, KeyReused, TooMany, Unavailable
from appliance.model.organization import Role
from appliance.service import Actor, Context, repeats
from appliance.service.recording import recording
from appliance.service.underway import Underway
from appliance.store import Store
from appliance.store import repeats as stored
from appliance.store.repeats import StoredAnswer
from tests.appliance.breaking_proxy import BreakingProxy, When
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.databases import on_postgresql
from tests.appliance.members import again, colleague
from tests.appliance.postgres import Cluster

ANSWER = StoredAnswer(201, "/machines/x", b"{}")
LOST = StoredAnswer(None, "/machines/x", None)


class Work:
    """Counts in the store how often the work was done.

    Args:
        before: errors before anything is stored, one for each time.
        after: errors after it is stored, one for each time.
    """

    def __init__(self, context: Context, *before: BaseException, after: BaseException | None = None) -> None:
        self.done = 0
        self._context = context
        self._before = list(before)
        self._after = after

    def __call__(self, actor: Actor) -> StoredAnswer:
        if self._before:
            raise self._before.pop(0)
        with recording(self._context, actor) as record:
            record.made = "/machines/x"
            record.leave_no_entry()
        self.done += 1
        if self._after is not None:
            raise self._after
        return ANSWER


def once(
    context: Context, actor: Actor, work: repeats.Work, key: str = "k", request: bytes = b"r"
) -> StoredAnswer | None:
    return repeats.idempotent(context, actor, key=key, request=request, work=work)


def by_form(context: Context, actor: Actor, work: repeats.Work, form: bytes = b"f") -> StoredAnswer | None:
    return repeats.idempotent_form(context, actor, form=form, work=work)


Way = Callable[[Context, Actor, repeats.Work], StoredAnswer | None]
WAYS = pytest.mark.parametrize("way", [once, by_form], ids=["key", "form"])


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


@WAYS
def test_a_request_interrupted_before_its_commit_is_done_again(context: Context, owner: Actor, way: Way) -> None:
    work = Work(context, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        way(context, owner, work)
    assert way(context, owner, work) is None
    assert work.done == 1


@WAYS
def test_a_request_interrupted_after_its_commit_counts_as_done(context: Context, owner: Actor, way: Way) -> None:
    work = Work(context, after=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        way(context, owner, work)
    assert way(context, owner, work) == LOST
    assert work.done == 1


@WAYS
@pytest.mark.parametrize("is_stored", [True, False])
def test_the_next_process_knows_requests_of_a_killed_one(
    context: Context, owner: Actor, way: Way, is_stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills a process, which then can't remove its request."""
    killed = Work(context, after=KeyboardInterrupt()) if is_stored else Work(context, KeyboardInterrupt())

    def away() -> NoReturn:
        raise Unavailable("a dead process stores nothing")

    def die(actor: Actor) -> StoredAnswer:
        try:
            return killed(actor)
        finally:
            patch.setattr(context.store, "write", away)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        way(context, owner, die)
    work = Work(context)
    assert way(replace(context, underway=Underway()), owner, work) == (LOST if is_stored else None)
    assert killed.done + work.done == 1


@WAYS
def test_a_request_whose_answer_can_t_be_stored_counts_as_done(
    context: Context, owner: Actor, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("away")

    work = Work(context)
    with monkeypatch.context() as patch:
        patch.setattr(stored, "finish", fail)
        assert way(context, owner, work) is None
    assert way(context, owner, work) == LOST
    assert work.done == 1


@WAYS
def test_an_answer_that_is_too_large_counts_as_lost(context: Context, owner: Actor, way: Way) -> None:
    work = Work(context)

    def answer(actor: Actor) -> StoredAnswer:
        return replace(work(actor), body=b"x" * (repeats.LARGEST_ANSWER + 1))

    assert way(context, owner, answer) is None
    assert way(context, owner, answer) == LOST
    assert work.done == 1


class _LosesIt:
    """Makes the store fail at the next commit of a change, before or after it takes place, and work again at once."""

    def __init__(self, store: Store, *, took_place: bool) -> None:
        self._write, self._took_place, self.is_lost = store.write, took_place, False

    @contextmanager
    def __call__(self) -> Iterator[Connection]:
        with self._write() as transaction:
            yield transaction
            if self.is_lost and not self._took_place:
                self.is_lost = False
                raise Unavailable("lost")
        if self.is_lost:
            self.is_lost = False
            raise Unavailable("lost")


@WAYS
@pytest.mark.parametrize("took_place", [True, False])
def test_a_store_lost_at_the_commit_forgets_no_request(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch, way: Way, took_place: bool
) -> None:
    losing = _LosesIt(context.store, took_place=took_place)
    monkeypatch.setattr(context.store, "write", losing)

    class Losing(Work):
        tries = 0

        def __call__(self, actor: Actor) -> StoredAnswer:
            self.tries += 1
            losing.is_lost = self.tries == 1
            return super().__call__(actor)

    work = Losing(context)
    if took_place:
        assert way(context, owner, work) == LOST
        assert way(context, owner, work) == LOST
        assert work.tries == 1
    else:
        with pytest.raises(Unavailable):
            way(context, owner, work)
        assert way(context, owner, work) is None
        assert work.tries == 2


@on_postgresql
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_broken_at_the_commit_loses_no_request(
    context: Context, owner: Actor, database: str, cluster: Cluster, when: When
) -> None:
    """Breaks the connection before and after the server's commit: the repetition is done, or answered as done."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        proxy = BreakingProxy(cluster.folder, Path(folder))
        store = Store(database.replace(str(cluster.folder), folder))
        far = replace(context, store=store)

        class LosingWork(Work):
            tries = 0

            def __call__(self, actor: Actor) -> StoredAnswer:
                self.tries += 1
                if self.tries == 1:
                    proxy.lose_the_next_commit(when)
                return super().__call__(actor)

        work = LosingWork(far)
        if when == "after":
            assert once(far, owner, work) == once(far, owner, work) == LOST
        else:
            with pytest.raises(Unavailable, match="Look whether it was done before you repeat it"):
                once(far, owner, work)
            assert once(far, owner, work) is None
            assert once(far, owner, work) == ANSWER
        assert proxy.lost == 1
        assert work.tries == (1 if when == "after" else 2)
        store.close()
        proxy.close()


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


@WAYS
def test_an_overtaken_process_forgets_no_request(context: Context, owner: Actor, way: Way) -> None:
    """Lets the first of two processes fail while the other one works on the same request, which stays noted."""
    is_other, go = threading.Event(), threading.Event()
    other = Work(context)

    def slow(actor: Actor) -> StoredAnswer:
        is_other.set()
        assert go.wait(20)
        return other(actor)

    thread = threading.Thread(target=way, args=(replace(context, underway=Underway()), owner, slow))

    def work(actor: Actor) -> StoredAnswer:
        thread.start()
        assert is_other.wait(20)
        return Work(context)(actor)

    with pytest.raises(InProgress):
        way(context, owner, work)
    go.set()
    thread.join()
    assert way(context, owner, Work(context)) == ANSWER
    assert other.done == 1


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
