"""Requests for password resets that are not processed yet."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from appliance.model.ids import new_id
from appliance.store import times
from appliance.store.schema import reset_requests as _table

_MOST_AT_ONCE = 100


def note(transaction: Connection, email: str, now: datetime) -> None:
    """Store a request for an e-mail address, which may have no account."""
    transaction.execute(insert(_table).values(id=new_id(), email=email, at=times.stored(now)))


def are_any(transaction: Connection) -> bool:
    """True if there is a request."""
    return transaction.execute(select(_table.c.id).limit(1)).one_or_none() is not None


def take_all(transaction: Connection) -> set[str]:
    """Remove the oldest requests, at most `_MOST_AT_ONCE`, and return their addresses."""
    rows = transaction.execute(select(_table.c.id, _table.c.email).order_by(_table.c.at).limit(_MOST_AT_ONCE)).all()
    transaction.execute(delete(_table).where(_table.c.id.in_([row.id for row in rows])))
    return {row.email for row in rows}
