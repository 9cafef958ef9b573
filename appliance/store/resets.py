"""Addresses for which somebody asked for a link to another password, until they are looked into."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from appliance.model.ids import new_id
from appliance.store import times
from appliance.store.schema import reset_requests as _table

_AT_ONCE = 100


def note(transaction: Connection, email: str, now: datetime) -> None:
    """Somebody asked for this address, whether anybody has it or not."""
    transaction.execute(insert(_table).values(id=new_id(), email=email, at=times.stored(now)))


def are_any(transaction: Connection) -> bool:
    """Whether any is to be looked into."""
    return transaction.execute(select(_table.c.id).limit(1)).one_or_none() is not None


def take_all(transaction: Connection) -> set[str]:
    """The addresses that were asked for longest ago, not too many at once; they are forgotten."""
    rows = transaction.execute(select(_table.c.id, _table.c.email).order_by(_table.c.at).limit(_AT_ONCE)).all()
    transaction.execute(delete(_table).where(_table.c.id.in_([row.id for row in rows])))
    return {row.email for row in rows}
