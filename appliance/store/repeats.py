"""Requests that came with a key of the caller's own, or by a form of a page, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from appliance.store import times
from appliance.store.schema import repeats as _table


@dataclass(frozen=True)
class Answered:
    """What came of a request.

    Attributes:
        status: None where the request was done and its answer got lost.
        location: what it made, as a path of the API; of a form, where its page leads.
        body: None where the answer is not kept.
    """

    status: int | None
    location: str | None
    body: bytes | None


@dataclass(frozen=True)
class Known:
    """A request that began.

    Attributes:
        answer: None as long as the request is not done.
    """

    request_hash: str
    answer: Answered | None


@dataclass(frozen=True)
class RequestKey:
    """Names a request within its organization.

    Attributes:
        hash: SHA-256 of the key.
        member_id: who sent the form; None for a key of the caller's own.
    """

    organization_id: str
    hash: str
    member_id: str | None = None


def find(transaction: Connection, key: RequestKey) -> Known | None:
    """The organization's request with this key, if there was one."""
    row = transaction.execute(select(_table).where(_is(key))).one_or_none()
    if row is None:
        return None
    answer = Answered(row.status, row.location, row.body) if row.done else None
    return Known(row.request_hash, answer)


def count(transaction: Connection, key: RequestKey) -> int:
    """Number of remembered requests that this one is counted with: the member's forms, or the organization's keys."""
    return transaction.execute(
        select(func.count())
        .select_from(_table)
        .where(_table.c.organization_id == key.organization_id, _table.c.member_id.is_not_distinct_from(key.member_id))
    ).scalar_one()


def begin(transaction: Connection, key: RequestKey, request_hash: str, at: datetime) -> None:
    """Note that a request with this key is worked on."""
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


def mark_done(transaction: Connection, key: RequestKey, location: str | None) -> None:
    """Note that the request is done if this transaction commits, and what it made."""
    transaction.execute(update(_table).where(_is(key)).values(done=True, location=location))


def finish(transaction: Connection, key: RequestKey, answer: Answered) -> None:
    """Note what was answered."""
    transaction.execute(
        update(_table)
        .where(_is(key))
        .values(done=True, status=answer.status, location=answer.location, body=answer.body)
    )


def forget_undone(transaction: Connection, key: RequestKey) -> None:
    """Forget the request, unless it was done."""
    transaction.execute(delete(_table).where(_is(key), _table.c.done.is_(False)))


def forget_older(transaction: Connection, than: datetime) -> None:
    """Forget requests of all organizations that began before."""
    transaction.execute(delete(_table).where(_table.c.began_at < times.stored(than)))


def _is(key: RequestKey) -> ColumnElement[bool]:
    return and_(_table.c.organization_id == key.organization_id, _table.c.key_hash == key.hash)
