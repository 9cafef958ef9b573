"""Queue of letters. Their text, which may have links, is not stored but written when they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from appliance.model.ids import new_id
from appliance.store import times
from appliance.store.schema import mail as _table


@dataclass(frozen=True)
class QueuedLetter:
    """A letter in the queue.

    Attributes:
        organization_id: the recipient's; None for a person who has no organization yet.
        kind: selects the letter's composer.
        about: id of the letter's subject, such as an invitation.
        attempts: number of attempts so far.
        due_at: time of the next attempt.
    """

    id: str
    organization_id: str | None
    kind: str
    about: str
    attempts: int
    due_at: datetime


def queue(transaction: Connection, organization_id: str | None, kind: str, about: str, now: datetime) -> None:
    """Add a letter to be sent once this transaction commits; a waiting one of the same kind and id is replaced."""
    drop_about(transaction, kind, about)
    transaction.execute(
        insert(_table).values(
            id=new_id(),
            organization_id=organization_id,
            kind=kind,
            about=about,
            attempts=0,
            due_at=times.stored(now),
        )
    )


def waiting(transaction: Connection, now: datetime) -> list[str | None]:
    """Organizations with letters that are due, the one with the letter that has been due for longest first."""
    rows = transaction.execute(
        select(_table.c.organization_id)
        .where(_table.c.due_at <= times.stored(now))
        .group_by(_table.c.organization_id)
        .order_by(func.min(_table.c.due_at))
    )
    return [row.organization_id for row in rows]


def next_due(transaction: Connection, now: datetime, organization_id: str | None) -> QueuedLetter | None:
    """The organization's letter that has been due for longest, if any is due."""
    row = transaction.execute(
        select(_table)
        .where(_table.c.due_at <= times.stored(now), _table.c.organization_id.is_not_distinct_from(organization_id))
        .order_by(_table.c.due_at)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return QueuedLetter(row.id, row.organization_id, row.kind, row.about, row.attempts, times.loaded(row.due_at))


def count(transaction: Connection) -> int:
    """Number of letters in the queue."""
    return transaction.execute(select(func.count()).select_from(_table)).scalar_one()


def claim(transaction: Connection, letter: QueuedLetter, until: datetime) -> bool:
    """Count an attempt and reserve the letter until a time; false if another process was faster."""
    claimed = transaction.execute(
        update(_table)
        .where(_table.c.id == letter.id, _table.c.attempts == letter.attempts)
        .values(attempts=letter.attempts + 1, due_at=times.stored(until))
    )
    return claimed.rowcount == 1


def drop(transaction: Connection, letter: QueuedLetter) -> None:
    transaction.execute(delete(_table).where(_table.c.id == letter.id))


def has_kind(transaction: Connection, kind: str) -> bool:
    return transaction.execute(select(_table.c.id).where(_table.c.kind == kind).limit(1)).first() is not None


def drop_kind(transaction: Connection, kind: str) -> None:
    transaction.execute(delete(_table).where(_table.c.kind == kind))


def drop_about(transaction: Connection, kind: str, about: str) -> None:
    """Remove the letter of this kind and id."""
    transaction.execute(delete(_table).where(_table.c.kind == kind, _table.c.about == about))
