"""Organizations that were signed up and never used."""

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

# A machine that is gone may have been connected; of one that is disabled it is known.
_UNUSED = (
    organizations.c.active,
    organizations.c.suspended_at.is_(None),
    organizations.c.plan == Plan.FREE.value,
    ~_has(members, members.c.verified_at.is_not(None)),
    ~_has(machines, machines.c.endpoint.is_not(None)),
    ~_has(lifetimes, lifetimes.c.until.is_not(None), ~_STILL_THERE),
)


def count(transaction: Connection, most: int) -> int:
    """How many there are; counts no further than ``most``."""
    some = select(organizations.c.id).where(*_UNUSED).limit(most).subquery()
    return transaction.execute(select(func.count()).select_from(some)).scalar_one()


def unused_since(transaction: Connection, until: datetime, most: int) -> Sequence[str]:
    """Those in which nothing has happened since this moment, at most so many, the oldest first."""
    wanted = select(organizations.c.id).where(*_UNUSED, *_quiet_since(until)).order_by(organizations.c.created_at)
    return transaction.execute(wanted.limit(most)).scalars().all()


def is_unused(transaction: Connection, organization_id: str, until: datetime) -> bool:
    """Whether this is one of them."""
    wanted = select(organizations.c.id).where(organizations.c.id == organization_id, *_UNUSED, *_quiet_since(until))
    return transaction.execute(wanted).one_or_none() is not None


def _quiet_since(until: datetime) -> tuple[ColumnElement[bool], ...]:
    moment = times.stored(until)
    signed_in = (
        exists()
        .where(members.c.organization_id == organizations.c.id)
        .where(sessions.c.member_id == members.c.id, sessions.c.last_seen_at > moment)
    )
    return (organizations.c.created_at <= moment, ~_has(audit, audit.c.at > moment), ~signed_in)
