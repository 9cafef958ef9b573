"""Organizations that were never used after their sign-up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, exists, func, select

from appliance.model.organization import Plan
from appliance.store import times
from appliance.store.schema import audit, lifetimes, machines, members, organizations, sessions


def _has(table: Table, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(table.c.organization_id == organizations.c.id, *conditions)


_STILL_THERE = exists().where(machines.c.id == lifetimes.c.machine_id)

# What a script can do without a machine that connects makes nothing used.
_UNUSED = (
    organizations.c.active,
    organizations.c.suspended_at.is_(None),
    ~_has(members, members.c.verified_at.is_not(None)),
    ~_has(machines, machines.c.endpoint.is_not(None)),
)
# A removed machine may have connected. A disabled one still has its row, which shows whether it did.
_REMOVABLE = (
    *_UNUSED,
    organizations.c.plan == Plan.FREE.value,
    ~_has(lifetimes, lifetimes.c.until.is_not(None), ~_STILL_THERE),
)


def count(transaction: Connection, most: int) -> int:
    """Number of unused organizations, counted up to ``most``."""
    unused = select(organizations.c.id).where(*_UNUSED).limit(most).subquery()
    return transaction.execute(select(func.count()).select_from(unused)).scalar_one()


def unused_since(transaction: Connection, until: datetime, most: int) -> Sequence[str]:
    """Ids of at most ``most`` unused organizations without any event since ``until``, oldest first.

    Those that pay or have removed a machine are left out: they may have been used.
    """
    query = select(organizations.c.id).where(*_REMOVABLE, *_quiet_since(until)).order_by(organizations.c.created_at)
    return transaction.execute(query.limit(most)).scalars().all()


def is_unused(transaction: Connection, organization_id: str, until: datetime) -> bool:
    """True if `unused_since` has the organization."""
    query = select(organizations.c.id).where(organizations.c.id == organization_id, *_REMOVABLE, *_quiet_since(until))
    return transaction.execute(query).one_or_none() is not None


def _quiet_since(until: datetime) -> tuple[ColumnElement[bool], ...]:
    moment = times.stored(until)
    signed_in = (
        exists()
        .where(members.c.organization_id == organizations.c.id)
        .where(sessions.c.member_id == members.c.id, sessions.c.last_seen_at > moment)
    )
    return (organizations.c.created_at <= moment, ~_has(audit, audit.c.at > moment), ~signed_in)
