"""The audit trail: each entry commits together with the change that it tells of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from appliance.model.ids import new_id
from appliance.model.organization import AuditEntry
from appliance.store import times
from appliance.store.schema import audit as _table

MENDED = "hub.mended"
"""The hub found damage and mended it; the detail has ``found`` (a list of words) and ``seconds``."""


def record(
    transaction: Connection, organization_id: str, actor: str, action: str, detail: dict[str, Any], at: datetime
) -> int:
    """Adds an entry, and gives its number, which is for this program alone."""
    number: int = transaction.execute(
        insert(_table)
        .values(
            name=new_id(),
            organization_id=organization_id,
            at=times.stored(at),
            actor=actor,
            action=action,
            detail=detail,
        )
        .returning(_table.c.id)
    ).scalar_one()
    return number


def find(transaction: Connection, number: int) -> AuditEntry | None:
    """The entry of this number."""
    row = transaction.execute(select(_table).where(_table.c.id == number)).one_or_none()
    return None if row is None else _loaded(row)


def count_since(
    transaction: Connection, organization_id: str, actor: str, actions: tuple[str, ...], since: datetime
) -> int:
    """How many entries there are about what this actor did of these, from ``since`` on."""
    return transaction.execute(
        select(func.count())
        .select_from(_table)
        .where(
            _table.c.organization_id == organization_id,
            _table.c.actor == actor,
            _table.c.action.in_(actions),
            _table.c.at >= times.stored(since),
        )
    ).scalar_one()


def number_of(transaction: Connection, organization_id: str, entry_id: str) -> int | None:
    """The number of the organization's entry with this id, if it has one."""
    return transaction.execute(
        select(_table.c.id).where(_table.c.name == entry_id, _table.c.organization_id == organization_id)
    ).scalar_one_or_none()


def page_of(transaction: Connection, organization_id: str, *, before: int | None, limit: int) -> list[AuditEntry]:
    """At most ``limit`` entries, newest first, those older than the one of number ``before``."""
    query = select(_table).where(_table.c.organization_id == organization_id).order_by(_table.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(_table.c.id < before)
    return [_loaded(row) for row in transaction.execute(query)]


def latest_of(transaction: Connection, organization_id: str, action: str, limit: int) -> list[AuditEntry]:
    """The newest entries about this action, newest first."""
    rows = transaction.execute(
        select(_table)
        .where(_table.c.organization_id == organization_id, _table.c.action == action)
        .order_by(_table.c.id.desc())
        .limit(limit)
    )
    return [_loaded(row) for row in rows]


def of_actions(transaction: Connection, organization_id: str, actions: tuple[str, ...]) -> list[AuditEntry]:
    """Every entry about one of these actions, oldest first."""
    rows = transaction.execute(
        select(_table)
        .where(_table.c.organization_id == organization_id, _table.c.action.in_(actions))
        .order_by(_table.c.id)
    )
    return [_loaded(row) for row in rows]


def _loaded(row: Any) -> AuditEntry:
    return AuditEntry(row.name, times.loaded(row.at), row.actor, row.action, row.detail)
