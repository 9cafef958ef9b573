"""Removals of many rows in portions, so that nobody waits long for the one writer of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from appliance.service import Actor, Context, deletion, repeats, trails
from appliance.store import Store, audit, deletions, holdings, times
from appliance.store.repeats import StoredAnswer
from tests.appliance.clocks import after
from tests.appliance.members import again
from tests.appliance.rows import fill

NAME = "acme-networks"
PAUSE = 0
"""A pause among the numbers of removed rows."""
ANSWER = StoredAnswer(201, "/machines/x", b"{}")


def rows_of(transaction: Connection) -> int:
    """Counts the rows of all organizations."""
    return sum(sum(rows.values()) for rows in holdings.count(transaction).values())


@pytest.fixture
def removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Provides by how many rows each write transaction has made the store smaller."""
    write = store.write
    removed: list[int] = []

    @contextmanager
    def counted() -> Iterator[Connection]:
        with write() as transaction:
            before = rows_of(transaction)
            yield transaction
            removed.append(before - rows_of(transaction))

    monkeypatch.setattr(store, "write", counted)
    return removed


def test_no_transaction_of_a_deletion_removes_many_rows(
    context: Context, store: Store, owner: Actor, removed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write() as transaction:
        fill(transaction, owner.organization_id, owner.member_id)
        for _ in range(30):
            audit.record(transaction, owner.organization_id, "a", "policy.saved", {}, context.clock())
        before = holdings.count(transaction)[owner.organization_id]
    removed.clear()
    monkeypatch.setattr(deletion, "PORTION", 4)
    told = deletion.delete(context, owner, confirm=NAME)
    assert max(removed) == 4
    assert sum(removed) == sum(before.values())
    assert told["audit"] == before["audit"]
    assert sum(told.values()) == sum(before.values()) - before["organizations"]
    with store.read() as transaction:
        (tombstone,) = deletions.tombstones(transaction)
    assert tombstone.removed == told


def test_a_deletion_that_another_call_finishes_is_done(
    context: Context, store: Store, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, transactions = store.write, iter(["begin", "first portion", "second portion"])

    def finish_before_the_second_portion() -> AbstractContextManager[Connection]:
        if next(transactions, None) == "second portion":
            deletion.resume(context, times.now())
        return write()

    monkeypatch.setattr(deletion, "PORTION", 1)
    monkeypatch.setattr(store, "write", finish_before_the_second_portion)
    assert sum(deletion.delete(context, owner, confirm=NAME).values()) == 1
    with store.read() as transaction:
        assert rows_of(transaction) == 0
        assert len(deletions.tombstones(transaction)) == 1


def test_old_requests_are_forgotten_in_portions(
    context: Context, owner: Actor, removed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(context: Context, key: str) -> StoredAnswer | None:
        return repeats.idempotent(context, again(context, owner), key=key, request=b"r", work=lambda _: ANSWER)

    for number in range(5):
        once(context, str(number))
    later = after(context, timedelta(hours=25))
    assert once(later, "0") is None
    assert max(removed) <= 0, "a request forgets those of others"
    removed.clear()
    monkeypatch.setattr(repeats, "pause", lambda: removed.append(PAUSE))
    assert repeats.tidy(later, portion=3) == 4
    assert removed == [3, PAUSE, 1, PAUSE]
    assert repeats.tidy(later) == 0
    assert once(later, "0") == ANSWER


def test_old_entries_of_trails_are_removed_with_pauses(
    context: Context, owner: Actor, removed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with context.store.write() as transaction:
        for _ in range(5):
            audit.record(transaction, owner.organization_id, "a", "policy.saved", {}, context.clock())
    with context.store.read() as transaction:
        entries = holdings.count(transaction)[owner.organization_id]["audit"]
    later = after(context, timedelta(days=500))
    removed.clear()
    monkeypatch.setattr(trails, "pause", lambda: removed.append(PAUSE))
    assert trails.tidy(later, portion=4) == entries
    assert removed == [4, PAUSE, entries - 4, PAUSE]
