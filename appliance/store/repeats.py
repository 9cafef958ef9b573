"""Requests that came with a key of the caller's own, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from appliance.store import times
from appliance.store.schema import repeats as _table


@dataclass(frozen=True)
class Answered:
    """What came of a request.

    Attributes:
        location: what it made, as a path of the API.
        body: None where the answer is not kept.
    """

    status: int
    location: str | None
    body: bytes | None


@dataclass(frozen=True)
class Known:
    """A request that began; None as an answer where nobody knows what came of it."""

    request_hash: str
    answer: Answered | None


def find(transaction: Connection, organization_id: str, key_hash: str) -> Known | None:
    """The organization's request with this key, if there was one."""
    row = transaction.execute(
        select(_table).where(_table.c.organization_id == organization_id, _table.c.key_hash == key_hash)
    ).one_or_none()
    if row is None:
        return None
    answer = None if row.status is None else Answered(row.status, row.location, row.body)
    return Known(row.request_hash, answer)


def count(transaction: Connection, organization_id: str) -> int:
    """How many of the organization's requests are remembered."""
    return transaction.execute(
        select(func.count()).select_from(_table).where(_table.c.organization_id == organization_id)
    ).scalar_one()


def begin(transaction: Connection, organization_id: str, key_hash: str, request_hash: str, at: datetime) -> None:
    """A request with this key is worked on from now on."""
    transaction.execute(
        insert(_table).values(
            organization_id=organization_id, key_hash=key_hash, request_hash=request_hash, began_at=times.stored(at)
        )
    )


def finish(transaction: Connection, organization_id: str, key_hash: str, answer: Answered) -> None:
    """This is what came of it."""
    transaction.execute(
        update(_table)
        .where(_table.c.organization_id == organization_id, _table.c.key_hash == key_hash)
        .values(status=answer.status, location=answer.location, body=answer.body)
    )


def forget(transaction: Connection, organization_id: str, key_hash: str) -> None:
    """There was no such request."""
    transaction.execute(
        delete(_table).where(_table.c.organization_id == organization_id, _table.c.key_hash == key_hash)
    )


def forget_older(transaction: Connection, than: datetime) -> None:
    """Forgets requests of all organizations that began before."""
    transaction.execute(delete(_table).where(_table.c.began_at < times.stored(than)))
