"""Summaries of all organizations, for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ScalarSelect, Table, func, literal, select, tuple_

from appliance.model.organization import Plan
from appliance.store import schema, times


@dataclass(frozen=True)
class OrganizationSummary:
    """An organization with its numbers of machines and members.

    Attributes:
        suspended_at: None if it is not suspended.
    """

    id: str
    name: str
    plan: Plan
    machines: int
    members: int
    created_at: datetime
    suspended_at: datetime | None


@dataclass(frozen=True)
class OrganizationSize:
    """An organization with the size of what the store has of it.

    Attributes:
        stored_bytes: approximate size of rules and audit trail.
        changed_at: time of the newest entry of its audit trail; None if there is none.
    """

    summary: OrganizationSummary
    rules: int
    stored_bytes: int
    changed_at: datetime | None


def summaries(transaction: Connection) -> list[OrganizationSummary]:
    """All active organizations, including suspended ones, oldest first."""
    table = schema.organizations
    rows = transaction.execute(
        select(table, _count(schema.machines).label("machines"), _count(schema.members).label("members"))
        .where(table.c.active)
        .order_by(table.c.created_at, table.c.id)
    )
    return [_summary(row) for row in rows]


def page_of(transaction: Connection, *, query: str, after: str | None, limit: int) -> list[OrganizationSize]:
    """At most ``limit`` active organizations, oldest first.

    Args:
        query: part of the name in any case, or the whole id; empty for all.
        after: id of the organization before the page's first one; None for the first page.
    """
    table = schema.organizations
    found = _SIZES.order_by(table.c.created_at, table.c.id).limit(limit)
    if query:
        found = found.where(table.c.name.icontains(query, autoescape=True) | (table.c.id == query))
    if after is not None:
        last = select(table.c.created_at).where(table.c.id == after).scalar_subquery()
        found = found.where(tuple_(table.c.created_at, table.c.id) > tuple_(last, literal(after)))
    return [_size(row) for row in transaction.execute(found)]


def find(transaction: Connection, organization_id: str) -> OrganizationSize | None:
    """The active organization of this id."""
    row = transaction.execute(_SIZES.where(schema.organizations.c.id == organization_id)).one_or_none()
    return None if row is None else _size(row)


def _count(table: Table) -> ScalarSelect[int]:
    mine = table.c.organization_id == schema.organizations.c.id
    return select(func.count()).select_from(table).where(mine).scalar_subquery()


def _latest_change() -> ScalarSelect[float]:
    mine = schema.audit.c.organization_id == schema.organizations.c.id
    return select(schema.audit.c.at).where(mine).order_by(schema.audit.c.id.desc()).limit(1).scalar_subquery()


_SIZES = select(
    schema.organizations,
    _count(schema.machines).label("machines"),
    _count(schema.members).label("members"),
    _count(schema.rules).label("rules"),
    _latest_change().label("changed_at"),
).where(schema.organizations.c.active)


def _summary(row: Any) -> OrganizationSummary:
    return OrganizationSummary(
        id=row.id,
        name=row.name,
        plan=Plan(row.plan),
        machines=row.machines,
        members=row.members,
        created_at=times.loaded(row.created_at),
        suspended_at=None if row.suspended_at is None else times.loaded(row.suspended_at),
    )


def _size(row: Any) -> OrganizationSize:
    changed_at = None if row.changed_at is None else times.loaded(row.changed_at)
    return OrganizationSize(_summary(row), row.rules, row.policy_bytes + row.trail_bytes, changed_at)
