"""Summaries of all organizations, for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, ScalarSelect, Table, func, select

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


def summaries(transaction: Connection) -> list[OrganizationSummary]:
    """All active organizations, including suspended ones, oldest first."""
    table = schema.organizations
    rows = transaction.execute(
        select(table, _count(schema.machines).label("machines"), _count(schema.members).label("members"))
        .where(table.c.active)
        .order_by(table.c.created_at, table.c.id)
    )
    return [
        OrganizationSummary(
            id=row.id,
            name=row.name,
            plan=Plan(row.plan),
            machines=row.machines,
            members=row.members,
            created_at=times.loaded(row.created_at),
            suspended_at=None if row.suspended_at is None else times.loaded(row.suspended_at),
        )
        for row in rows
    ]


def _count(table: Table) -> ScalarSelect[int]:
    mine = table.c.organization_id == schema.organizations.c.id
    return select(func.count()).select_from(table).where(mine).scalar_subquery()
