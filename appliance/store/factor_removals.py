"""Removals of second factors and passkeys that have begun and not taken effect yet; one of each member at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from appliance.store import times
from appliance.store.schema import factor_removals as _table
from appliance.store.schema import members, organizations


@dataclass(frozen=True)
class FactorRemoval:
    """A removal that waits.

    Attributes:
        email: of the member whose second factor and passkeys they are.
        due_at: when it takes effect.
    """

    member_id: str
    organization_id: str
    email: str
    begun_at: datetime
    due_at: datetime


# Run with each code that is taken, and so built once.
_DROP = delete(_table).where(_table.c.member_id == bindparam("member"))
_WAITING = (
    select(_table, members.c.organization_id, members.c.email)
    .select_from(_table.join(members).join(organizations))
    .where(organizations.c.active)
    .order_by(_table.c.due_at, _table.c.member_id)
)


def begin(transaction: Connection, member_id: str, begun_at: datetime, due_at: datetime) -> None:
    """Stores a removal of a member who has none."""
    transaction.execute(
        insert(_table).values(member_id=member_id, begun_at=times.stored(begun_at), due_at=times.stored(due_at))
    )


def drop(transaction: Connection, member_id: str) -> bool:
    """Ends the member's removal, whatever became of it; False where there is none."""
    return transaction.execute(_DROP, {"member": member_id}).rowcount == 1


def find(transaction: Connection, member_id: str) -> FactorRemoval | None:
    """The member's removal, if there is one."""
    row = transaction.execute(_WAITING.where(_table.c.member_id == member_id)).one_or_none()
    return None if row is None else _loaded(row)


def waiting(transaction: Connection, organization_id: str | None = None) -> Sequence[FactorRemoval]:
    """All removals that wait, of one organization if it is given, the one that is due first before others."""
    query = _WAITING if organization_id is None else _WAITING.where(members.c.organization_id == organization_id)
    return [_loaded(row) for row in transaction.execute(query)]


def due(transaction: Connection, now: datetime, most: int) -> Sequence[FactorRemoval]:
    """At most so many removals that are to take effect by now; none of a suspended organization."""
    return [_loaded(row) for row in transaction.execute(_WAITING.where(*_due(now)).limit(most))]


def is_due(transaction: Connection, member_id: str, now: datetime) -> bool:
    """Tell whether the member's removal is to take effect by now (`due`)."""
    return transaction.execute(_WAITING.where(*_due(now), _table.c.member_id == member_id)).first() is not None


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (_table.c.due_at <= times.stored(now), organizations.c.suspended_at.is_(None))


def postpone(transaction: Connection, organization_id: str, until: datetime) -> None:
    """No removal of the organization takes effect before this moment."""
    people = select(members.c.id).where(members.c.organization_id == organization_id)
    transaction.execute(
        update(_table)
        .where(_table.c.member_id.in_(people), _table.c.due_at < times.stored(until))
        .values(due_at=times.stored(until))
    )


def _loaded(row: Any) -> FactorRemoval:
    return FactorRemoval(
        row.member_id, row.organization_id, row.email, times.loaded(row.begun_at), times.loaded(row.due_at)
    )
