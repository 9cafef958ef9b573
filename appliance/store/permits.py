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
        made_by: operator who made the link; None if it is in a letter.
    """

    id: str
    email: str | None
    by_letter: bool
    expires_at: datetime
    language: str | None = None
    made_by: str | None = None


@dataclass(frozen=True)
class SignUpLink:
    """A link that an operator made and nobody has used yet.

    Attributes:
        email: the only address that may sign up with it; None for any.
        made_by: e-mail address of the operator on the pages, or user of the host.
    """

    id: str
    email: str | None
    made_by: str
    created_at: datetime
    expires_at: datetime


def create(transaction: Connection, new: Permit, token_hash: str | None, now: datetime) -> None:
    """Store a permit; a permit whose link is sent by letter has none yet."""
    transaction.execute(
        insert(_table).values(
            id=new.id,
            email=new.email,
            by_letter=new.by_letter,
            language=new.language,
            made_by=new.made_by,
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


def links(transaction: Connection, now: datetime, most: int | None = None) -> list[SignUpLink]:
    """Operators' links that nobody has used, newest first.

    Args:
        most: number of them; None for all.
    """
    rows = transaction.execute(
        select(_table).where(*_open_links(now)).order_by(_table.c.created_at.desc(), _table.c.id).limit(most)
    )
    return [
        SignUpLink(row.id, row.email, row.made_by or "", times.loaded(row.created_at), times.loaded(row.expires_at))
        for row in rows
    ]


def count_links(transaction: Connection, now: datetime) -> int:
    """Number of operators' links that nobody has used."""
    return transaction.execute(select(func.count()).select_from(_table).where(*_open_links(now))).scalar_one()


def revoke(transaction: Connection, permit_id: str, now: datetime) -> bool:
    """End an operator's link; false if there is none with this id, or it was used."""
    return transaction.execute(delete(_table).where(_table.c.id == permit_id, *_open_links(now))).rowcount == 1


def revoke_all(transaction: Connection, now: datetime, made_by: str | None = None) -> int:
    """End the links of one operator, or of all; returns their number."""
    whose = [] if made_by is None else [_table.c.made_by == made_by]
    return transaction.execute(delete(_table).where(*whose, *_open_links(now))).rowcount


def _open_links(now: datetime) -> tuple[Any, Any]:
    return ~_table.c.by_letter, _table.c.expires_at > times.stored(now)


def count(transaction: Connection) -> int:
    return transaction.execute(select(func.count()).select_from(_table)).scalar_one()


def _one(transaction: Connection, condition: Any, now: datetime) -> Permit | None:
    row = transaction.execute(select(_table).where(condition, _table.c.expires_at > times.stored(now))).one_or_none()
    if row is None:
        return None
    return Permit(row.id, row.email, row.by_letter, times.loaded(row.expires_at), row.language, row.made_by)
