"""Members of an organization with their roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, update

from appliance.model.organization import Role
from appliance.store import times
from appliance.store.schema import members as _table


@dataclass(frozen=True)
class Membership:
    """A member, as shown to the organization."""

    id: str
    email: str
    role: Role
    since: datetime


def page_of(transaction: Connection, organization_id: str, *, after: str | None, limit: int) -> list[Membership]:
    """At most ``limit`` members beyond ``after``, sorted by id."""
    query = _of(organization_id).order_by(_table.c.id).limit(limit)
    if after is not None:
        query = query.where(_table.c.id > after)
    return [_loaded(row) for row in transaction.execute(query)]


def find(transaction: Connection, organization_id: str, member_id: str) -> Membership | None:
    """The organization's member of this id, if there is one."""
    row = transaction.execute(_of(organization_id).where(_table.c.id == member_id)).one_or_none()
    return None if row is None else _loaded(row)


def has_email(transaction: Connection, organization_id: str, email: str) -> bool:
    return transaction.execute(_of(organization_id).where(_table.c.email == email)).first() is not None


def count_by_role(transaction: Connection, organization_id: str, role: Role) -> int:
    query = select(func.count()).where(_table.c.organization_id == organization_id, _table.c.role == role.value)
    return transaction.execute(query).scalar_one()


def ids_in_role(transaction: Connection, organization_id: str, role: Role, most: int) -> Sequence[str]:
    """Ids of at most ``most`` members with this role, the longest-standing first."""
    query = select(_table.c.id).where(_table.c.organization_id == organization_id, _table.c.role == role.value)
    return transaction.execute(query.order_by(_table.c.created_at, _table.c.id).limit(most)).scalars().all()


def change_role(transaction: Connection, member_id: str, role: Role) -> None:
    """Change a member's role, from the next request on."""
    transaction.execute(update(_table).where(_table.c.id == member_id).values(role=role.value))


def remove(transaction: Connection, member_id: str) -> None:
    """Remove a member's account with its sessions and tokens."""
    transaction.execute(delete(_table).where(_table.c.id == member_id))


def _of(organization_id: str) -> Select[Any]:
    return select(_table).where(_table.c.organization_id == organization_id)


def _loaded(row: Any) -> Membership:
    return Membership(row.id, row.email, Role(row.role), times.loaded(row.created_at))
