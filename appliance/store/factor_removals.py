"""Pending removals of a member's second factor and passkeys; at most one for each member."""

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
    """A pending removal.

    Attributes:
        email: the member's.
        due_at: time at which it takes effect.
    """

    member_id: str
    organization_id: str
    email: str
    begun_at: datetime
    due_at: datetime


_DROP = delete(_table).where(_table.c.member_id == bindparam("member"))
_WAITING = (
    select(_table, members.c.organization_id, members.c.email)
    .select_from(_table.join(members).join(organizations))
    .where(organizations.c.active)
    .order_by(_table.c.due_at, _table.c.member_id)
)


def begin(transaction: Connection, member_id: str, begun_at: datetime, due_at: datetime) -> None:
    """Store a removal of a member who has none."""
    transaction.execute(
        insert(_table).values(member_id=member_id, begun_at=times.stored(begun_at), due_at=times.stored(due_at))
    )


def drop(transaction: Connection, member_id: str) -> bool:
    """Drop the member's removal; false if there is none."""
    return transaction.execute(_DROP, {"member": member_id}).rowcount == 1


def find(transaction: Connection, member_id: str) -> FactorRemoval | None:
    """The member's removal, if there is one."""
    row = transaction.execute(_WAITING.where(_table.c.member_id == member_id)).one_or_none()
    return None if row is None else _loaded(row)


def waiting(transaction: Connection, organization_id: str | None = None) -> Sequence[FactorRemoval]:
    """Pending removals of all organizations or of one, sorted by due time."""
    query = _WAITING if organization_id is None else _WAITING.where(members.c.organization_id == organization_id)
    return [_loaded(row) for row in transaction.execute(query)]


def due(transaction: Connection, now: datetime, most: int) -> Sequence[FactorRemoval]:
    """At most ``most`` removals that are due, without those of suspended organizations."""
    return [_loaded(row) for row in transaction.execute(_WAITING.where(*_due(now)).limit(most))]


def is_due(transaction: Connection, member_id: str, now: datetime) -> bool:
    """True if the member's removal is due (`due`)."""
    return transaction.execute(_WAITING.where(*_due(now), _table.c.member_id == member_id)).first() is not None


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (_table.c.due_at <= times.stored(now), organizations.c.suspended_at.is_(None))


def postpone(transaction: Connection, organization_id: str, until: datetime) -> None:
    """Postpone the organization's removals to this time, unless they are due later."""
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
