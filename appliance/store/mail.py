"""Letters that are to be sent. What they will say, links above all, is not stored: it is made when they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from appliance.model.ids import new_id
from appliance.store import times
from appliance.store.schema import mail as _table


@dataclass(frozen=True)
class QueuedLetter:
    """A letter in the queue.

    Attributes:
        organization_id: whose letter it is; None: of somebody who has no organization yet.
        kind: which letter it is.
        about: the id of what it is about.
        attempts: how often it was tried.
        due_at: when it is tried next.
    """

    id: str
    organization_id: str | None
    kind: str
    about: str
    attempts: int
    due_at: datetime


def queue(transaction: Connection, organization_id: str | None, kind: str, about: str, now: datetime) -> None:
    """A letter to be sent as soon as this transaction commits; one about the same that still waits is replaced."""
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


def next_due(transaction: Connection, now: datetime) -> QueuedLetter | None:
    """The letter that has been due for longest."""
    row = transaction.execute(
        select(_table).where(_table.c.due_at <= times.stored(now)).order_by(_table.c.due_at).limit(1)
    ).one_or_none()
    if row is None:
        return None
    return QueuedLetter(row.id, row.organization_id, row.kind, row.about, row.attempts, times.loaded(row.due_at))


def claim(transaction: Connection, letter: QueuedLetter, until: datetime) -> bool:
    """Counts an attempt, and has everybody else leave the letter alone until then; False where somebody was first."""
    claimed = transaction.execute(
        update(_table)
        .where(_table.c.id == letter.id, _table.c.attempts == letter.attempts)
        .values(attempts=letter.attempts + 1, due_at=times.stored(until))
    )
    return claimed.rowcount == 1


def drop(transaction: Connection, letter: QueuedLetter) -> None:
    """The letter is sent, or never will be."""
    transaction.execute(delete(_table).where(_table.c.id == letter.id))


def has_kind(transaction: Connection, kind: str) -> bool:
    """Tell whether a letter of this kind waits."""
    return transaction.execute(select(_table.c.id).where(_table.c.kind == kind).limit(1)).first() is not None


def drop_kind(transaction: Connection, kind: str) -> None:
    """Drop every letter of this kind."""
    transaction.execute(delete(_table).where(_table.c.kind == kind))


def drop_about(transaction: Connection, kind: str, about: str) -> None:
    """What the letter was about is no more."""
    transaction.execute(delete(_table).where(_table.c.kind == kind, _table.c.about == about))
