"""One-time tickets. A ticket lets its holder do one thing as one member before it expires."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from sqlalchemy import Connection, delete, insert, select

from appliance.store import times
from appliance.store.schema import tickets as _table


class TicketKind(str, Enum):
    """Purpose of a ticket."""

    RESET = "reset"
    """Password reset by a link from the operator."""
    MAILED_RESET = "mailed-reset"
    """Password reset by a link that is only in a letter to the account's address."""
    VERIFICATION = "verification"
    LOG_IN = "log-in"
    """Second step of a log-in, after the password."""


def create(transaction: Connection, token_hash: str, member_id: str, kind: TicketKind, until: datetime) -> None:
    """Store a ticket under its token's hash."""
    transaction.execute(
        insert(_table).values(
            token_hash=token_hash, member_id=member_id, kind=kind.value, expires_at=times.stored(until)
        )
    )


def member_id_of(transaction: Connection, token_hash: str, kind: TicketKind, now: datetime) -> str | None:
    """Id of the ticket's member; None if the ticket is unknown or has expired."""
    return transaction.execute(
        select(_table.c.member_id).where(
            _table.c.token_hash == token_hash, _table.c.kind == kind.value, _table.c.expires_at > times.stored(now)
        )
    ).scalar_one_or_none()


def use(transaction: Connection, token_hash: str) -> bool:
    """Use up a ticket; false if another request was faster."""
    return transaction.execute(delete(_table).where(_table.c.token_hash == token_hash)).rowcount == 1


def drop(transaction: Connection, member_id: str, *kinds: TicketKind) -> None:
    """Remove the member's tickets of these kinds."""
    transaction.execute(
        delete(_table).where(_table.c.member_id == member_id, _table.c.kind.in_([kind.value for kind in kinds]))
    )


def keep_latest(transaction: Connection, member_id: str, kind: TicketKind, count: int) -> None:
    """Remove the member's tickets of this kind, apart from the ``count`` that expire last."""
    kept = (
        select(_table.c.token_hash)
        .where(_table.c.member_id == member_id, _table.c.kind == kind.value)
        .order_by(_table.c.expires_at.desc())
    )
    beyond = transaction.execute(kept.offset(count)).scalars().all()
    if beyond:
        transaction.execute(delete(_table).where(_table.c.token_hash.in_(beyond)))


def forget_ended(transaction: Connection, now: datetime) -> None:
    transaction.execute(delete(_table).where(_table.c.expires_at <= times.stored(now)))
