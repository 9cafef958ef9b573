"""One-time tickets: each lets whoever holds it do one thing as one member, once, until its time is over."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from sqlalchemy import Connection, delete, insert, select

from appliance.store import times
from appliance.store.schema import tickets as _table


class TicketKind(str, Enum):
    """What a ticket is for."""

    RESET = "reset"
    """To another password; the operator hands it over."""
    MAILED_RESET = "mailed-reset"
    """To another password; a letter brings it to the account's address, and to nobody else."""
    VERIFICATION = "verification"
    LOG_IN = "log-in"
    """The password was right, and a code of the second factor is to come."""


def create(transaction: Connection, token_hash: str, member_id: str, kind: TicketKind, until: datetime) -> None:
    """Stores a ticket under its token's hash."""
    transaction.execute(
        insert(_table).values(
            token_hash=token_hash, member_id=member_id, kind=kind.value, expires_at=times.stored(until)
        )
    )


def member_id_of(transaction: Connection, token_hash: str, kind: TicketKind, now: datetime) -> str | None:
    """The id of the member that the ticket speaks for, if it is good."""
    return transaction.execute(
        select(_table.c.member_id).where(
            _table.c.token_hash == token_hash, _table.c.kind == kind.value, _table.c.expires_at > times.stored(now)
        )
    ).scalar_one_or_none()


def use(transaction: Connection, token_hash: str) -> bool:
    """Uses the ticket up; False where somebody else just did."""
    return transaction.execute(delete(_table).where(_table.c.token_hash == token_hash)).rowcount == 1


def drop(transaction: Connection, member_id: str, *kinds: TicketKind) -> None:
    """The member's tickets of these kinds are good no more."""
    transaction.execute(
        delete(_table).where(_table.c.member_id == member_id, _table.c.kind.in_([kind.value for kind in kinds]))
    )


def keep_latest(transaction: Connection, member_id: str, kind: TicketKind, count: int) -> None:
    """The member's tickets of this kind are good no more, but for so many that end last."""
    kept = (
        select(_table.c.token_hash)
        .where(_table.c.member_id == member_id, _table.c.kind == kind.value)
        .order_by(_table.c.expires_at.desc())
    )
    beyond = transaction.execute(kept.offset(count)).scalars().all()
    if beyond:
        transaction.execute(delete(_table).where(_table.c.token_hash.in_(beyond)))


def forget_ended(transaction: Connection, now: datetime) -> None:
    """Removes tickets whose time is over."""
    transaction.execute(delete(_table).where(_table.c.expires_at <= times.stored(now)))
