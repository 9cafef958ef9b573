"""Permits to sign up: each lets one organization sign up, once, until its time is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from appliance.store import times
from appliance.store.schema import permits as _table


@dataclass(frozen=True)
class Permit:
    """Leave to sign up.

    Attributes:
        email: the address that the account has to have; None: any.
        by_letter: whether a letter brings the link to that address, and nobody else has it.
    """

    id: str
    email: str | None
    by_letter: bool
    expires_at: datetime


def create(transaction: Connection, new: Permit, token_hash: str | None, now: datetime) -> None:
    """Stores a permit, with its link or, where a letter is to bring that, without."""
    transaction.execute(
        insert(_table).values(
            id=new.id,
            email=new.email,
            by_letter=new.by_letter,
            token_hash=token_hash,
            created_at=times.stored(now),
            expires_at=times.stored(new.expires_at),
        )
    )


def replace_link(transaction: Connection, permit_id: str, token_hash: str) -> None:
    """The link with this token, and no other one, stands for the permit from now on."""
    transaction.execute(update(_table).where(_table.c.id == permit_id).values(token_hash=token_hash))


def by_link(transaction: Connection, token_hash: str, now: datetime) -> Permit | None:
    """The permit that this link stands for, unless its time is over."""
    return _one(transaction, _table.c.token_hash == token_hash, now)


def by_id(transaction: Connection, permit_id: str, now: datetime) -> Permit | None:
    """The permit of this id, unless its time is over."""
    return _one(transaction, _table.c.id == permit_id, now)


def use(transaction: Connection, permit_id: str) -> bool:
    """Uses the permit up; False where somebody else just did."""
    return transaction.execute(delete(_table).where(_table.c.id == permit_id)).rowcount == 1


def forget(transaction: Connection, now: datetime, letter_to: str | None = None) -> None:
    """Removes permits whose time is over, and those that a letter was to bring to this address."""
    over = _table.c.expires_at <= times.stored(now)
    transaction.execute(delete(_table).where(over | (_table.c.by_letter & (_table.c.email == letter_to))))


def count(transaction: Connection) -> int:
    """How many there are."""
    return transaction.execute(select(func.count()).select_from(_table)).scalar_one()


def _one(transaction: Connection, condition: Any, now: datetime) -> Permit | None:
    row = transaction.execute(select(_table).where(condition, _table.c.expires_at > times.stored(now))).one_or_none()
    return None if row is None else Permit(row.id, row.email, row.by_letter, times.loaded(row.expires_at))
