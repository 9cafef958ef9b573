"""A request that was interrupted is done again, or counts as done with a lost answer."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import Connection

from appliance.model.errors import InProgress, Unavailable
from appliance.service import Actor, Context, repeats
from appliance.service.underway import Underway
from appliance.store import Store
from appliance.store import repeats as stored
from appliance.store.repeats import StoredAnswer
from tests.appliance.breaking_proxy import BreakingProxy, When
from tests.appliance.databases import on_postgresql
from tests.appliance.postgres import Cluster
from tests.appliance.service.repeated import ANSWER, LOST, WAYS, Way, Work, once


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
