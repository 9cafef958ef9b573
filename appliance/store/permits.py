"""Permits to sign up one organization before they expire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from appliance.store import times
from appliance.store.schema import permits as _table


@dataclass(frozen=True)
class Permit:
    """A permit to sign up.

    Attributes:
        email: address that the account has to have; None for any.
        by_letter: true if the link is only in a letter to that address.
        language: tag of the language that the letter is written in; None for English.
    """

    id: str
    email: str | None
    by_letter: bool
    expires_at: datetime
    language: str | None = None


def create(transaction: Connection, new: Permit, token_hash: str | None, now: datetime) -> None:
    """Store a permit; a permit whose link is sent by letter has none yet."""
    transaction.execute(
        insert(_table).values(
            id=new.id,
            email=new.email,
            by_letter=new.by_letter,
            language=new.language,
            token_hash=token_hash,
            created_at=times.stored(now),
            expires_at=times.stored(new.expires_at),
        )
    )


def replace_link(transaction: Connection, permit_id: str, token_hash: str) -> None:
    transaction.execute(update(_table).where(_table.c.id == permit_id).values(token_hash=token_hash))


def by_link(transaction: Connection, token_hash: str, now: datetime) -> Permit | None:
    """The permit of this link, unless it has expired."""
    return _one(transaction, _table.c.token_hash == token_hash, now)


def by_id(transaction: Connection, permit_id: str, now: datetime) -> Permit | None:
    """The permit of this id, unless it has expired."""
    return _one(transaction, _table.c.id == permit_id, now)


def use(transaction: Connection, permit_id: str) -> bool:
    """Use up a permit; false if another request was faster."""
    return transaction.execute(delete(_table).where(_table.c.id == permit_id)).rowcount == 1


def forget(transaction: Connection, now: datetime, letter_to: str | None = None) -> None:
    """Remove expired permits, and those sent by letter to an address."""
    over = _table.c.expires_at <= times.stored(now)
    transaction.execute(delete(_table).where(over | (_table.c.by_letter & (_table.c.email == letter_to))))


def count(transaction: Connection) -> int:
    return transaction.execute(select(func.count()).select_from(_table)).scalar_one()


def _one(transaction: Connection, condition: Any, now: datetime) -> Permit | None:
    row = transaction.execute(select(_table).where(condition, _table.c.expires_at > times.stored(now))).one_or_none()
    if row is None:
        return None
    return Permit(row.id, row.email, row.by_letter, times.loaded(row.expires_at), row.language)
