"""The audit trail: each entry commits together with the change that it tells of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from appliance.model.organization import AuditEntry
from appliance.store import times
from appliance.store.schema import audit as _table

MENDED = "hub.mended"
"""The hub found damage and mended it; the detail has ``found`` (a list of words) and ``seconds``."""


def record(
    transaction: Connection, organization_id: str, actor: str, action: str, detail: dict[str, Any], at: datetime
) -> None:
    """Adds an entry."""
    transaction.execute(
        insert(_table).values(
            organization_id=organization_id, at=times.stored(at), actor=actor, action=action, detail=detail
        )
    )


def page_of(transaction: Connection, organization_id: str, *, before: int | None, limit: int) -> list[AuditEntry]:
    """At most ``limit`` entries, newest first, those older than entry ``before``."""
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
    return AuditEntry(row.id, times.loaded(row.at), row.actor, row.action, row.detail)
