"""Idempotent requests, by key or by form, and the answers to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from appliance.model.errors import InProgress
from appliance.store import portions, times
from appliance.store.schema import repeats as _table


@dataclass(frozen=True)
class StoredAnswer:
    """Answer to a request that was done.

    Attributes:
        status: HTTP status; None if the answer was lost.
        location: path of the created resource in the API; for a form, the page that it leads to.
        body: None if the answer is not stored.
    """

    status: int | None
    location: str | None
    body: bytes | None


@dataclass(frozen=True)
class StoredRequest:
    """A stored request.

    Attributes:
        answer: None until the request is done.
    """

    request_hash: str
    answer: StoredAnswer | None


@dataclass(frozen=True)
class RequestKey:
    """Identity of a request within its organization.

    Attributes:
        hash: SHA-256 of the caller's key or of the form.
        member_id: the member who sent the form; None for a key.
        began_at: begin of one attempt to do it, which tells apart attempts of several processes; None for any.
    """

    organization_id: str
    hash: str
    member_id: str | None = None
    began_at: datetime | None = None


def in_progress() -> InProgress:
    """Make the refusal of a request while an equal one is in progress."""
    return InProgress("The same request is being worked on. Ask again in a moment.", retry_after=1)


def find(transaction: Connection, key: RequestKey) -> StoredRequest | None:
    """The stored request with this key, if there is one."""
    row = transaction.execute(select(_table).where(_is(key))).one_or_none()
    if row is None:
        return None
    answer = StoredAnswer(row.status, row.location, row.body) if row.done else None
    return StoredRequest(row.request_hash, answer)


def count_since(transaction: Connection, key: RequestKey, since: datetime) -> int:
    """Number of requests since a time that this one is counted with: the member's forms, or the organization's keys."""
    return transaction.execute(
        select(func.count())
        .select_from(_table)
        .where(
            _table.c.organization_id == key.organization_id,
            _table.c.member_id.is_not_distinct_from(key.member_id),
            _table.c.began_at >= times.stored(since),
        )
    ).scalar_one()


def begin(transaction: Connection, key: RequestKey, request_hash: str, at: datetime) -> RequestKey:
    """Store that a request with this key has begun; returns the key of this attempt."""
    transaction.execute(
        insert(_table).values(
            organization_id=key.organization_id,
            member_id=key.member_id,
            key_hash=key.hash,
            request_hash=request_hash,
            done=False,
            began_at=times.stored(at),
        )
    )
    return replace(key, began_at=at)


def mark_done(transaction: Connection, key: RequestKey, location: str | None) -> None:
    """Store, in the transaction of its change, that the request is done.

    Raises:
        InProgress: another process began it later.
    """
    marked = transaction.execute(update(_table).where(_is_attempt(key)).values(done=True, location=location))
    # Without a row, the change has removed it together with the organization or the member.
    if marked.rowcount == 0 and find(transaction, key) is not None:
        raise in_progress()


def finish(transaction: Connection, key: RequestKey, answer: StoredAnswer) -> None:
    """Store the answer to a request."""
    transaction.execute(
        update(_table)
        .where(_is(key))
        .values(done=True, status=answer.status, location=answer.location, body=answer.body)
    )


def forget_undone(transaction: Connection, key: RequestKey) -> None:
    """Forget the request, or this attempt to do it, unless it was done."""
    transaction.execute(delete(_table).where(_is_attempt(key), _table.c.done.is_(False)))


def forget_old(transaction: Connection, key: RequestKey, than: datetime) -> None:
    """Forget the request if it began before a time."""
    transaction.execute(delete(_table).where(_is(key), _table.c.began_at < times.stored(than)))


def has_older(transaction: Connection, than: datetime) -> bool:
    """True if a request of any organization began before a time."""
    query = select(_table.c.key_hash).where(_table.c.began_at < times.stored(than)).limit(1)
    return transaction.execute(query).first() is not None


def forget_older(transaction: Connection, than: datetime, most: int) -> int:
    """Forget at most ``most`` requests of all organizations that began before a time; returns their number."""
    return portions.remove(transaction, _table, _table.c.began_at < times.stored(than), most)


def _is(key: RequestKey) -> ColumnElement[bool]:
    return and_(_table.c.organization_id == key.organization_id, _table.c.key_hash == key.hash)


def _is_attempt(key: RequestKey) -> ColumnElement[bool]:
    if key.began_at is None:
        return _is(key)
    return and_(_is(key), _table.c.began_at == times.stored(key.began_at))
