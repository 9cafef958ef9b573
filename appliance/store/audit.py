"""The audit trail: each entry commits together with the change that it tells of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select

from appliance.model import entries
from appliance.model.ids import new_id
from appliance.model.organization import AuditEntry
from appliance.store import meters, times, trails
from appliance.store.fitting import fitting
from appliance.store.schema import audit as _table

MENDED = "hub.mended"
"""The hub found damage and mended it; the detail has ``found`` (a list of words) and ``seconds``."""

RESTORED = meters.RESTORED
"""The service was restored from a backup; the detail says as of when, and how much the organization has."""


# Written with every change, and so built once: building costs as much as executing.
_INSERT = insert(_table).returning(_table.c.id)


def record(
    transaction: Connection, organization_id: str, actor: str, action: str, detail: dict[str, Any], at: datetime
) -> int:
    """Adds an entry, and gives its number, which is for this program alone.

    A detail that is too long is shortened (`entries.shortened`). What usage is metered from is kept with it (`meters`).
    """
    kept = entries.shortened(detail)
    size = entries.size_of(actor, kept)
    number: int = transaction.execute(
        _INSERT,
        {
            "name": new_id(),
            "organization_id": organization_id,
            "at": times.stored(at),
            "actor": actor,
            "action": action,
            "detail": kept,
            "size": size,
        },
    ).scalar_one()
    trails.note(transaction, organization_id, size, at)
    meters.note(transaction, organization_id, action, detail, at)
    return number


def find(transaction: Connection, number: int) -> AuditEntry | None:
    """The entry of this number."""
    row = transaction.execute(select(_table).where(_table.c.id == number)).one_or_none()
    return None if row is None else _loaded(row)


def count_since(
    transaction: Connection, organization_id: str, actor: str, actions: tuple[str, ...], since: datetime, now: datetime
) -> int:
    """Number of entries about these actions of this actor, from ``since`` to ``now``.

    Those of a future, as there are after the clock was set back, count for nothing.
    """
    return transaction.execute(
        select(func.count())
        .select_from(_table)
        .where(
            _table.c.organization_id == organization_id,
            _table.c.actor == actor,
            _table.c.action.in_(actions),
            _table.c.at.between(times.stored(since), times.stored(now)),
        )
    ).scalar_one()


def latest_moment(transaction: Connection, organization_id: str) -> datetime | None:
    """The latest moment that an entry of the organization has, also where the clock was set back since."""
    found = select(func.max(_table.c.at)).where(_table.c.organization_id == organization_id)
    moment = transaction.execute(found).scalar_one()
    return None if moment is None else times.loaded(moment)


def number_of(transaction: Connection, organization_id: str, entry_id: str) -> int | None:
    """The number of the organization's entry with this id, if it has one."""
    return transaction.execute(
        select(_table.c.id).where(_table.c.name == entry_id, _table.c.organization_id == organization_id)
    ).scalar_one_or_none()


def page_of(transaction: Connection, organization_id: str, *, before: int | None, limit: int) -> list[AuditEntry]:
    """At most ``limit`` entries, newest first, those older than the one of number ``before``."""
    query = select(_table).where(_older(organization_id, before)).order_by(_table.c.id.desc()).limit(limit)
    return [_loaded(row) for row in transaction.execute(query)]


def fitting_page(
    transaction: Connection, organization_id: str, *, before: int | None, limit: int, most_bytes: int
) -> int:
    """How many entries of such a page take so many bytes; at least one."""
    query = select(_table.c.size).where(_older(organization_id, before)).order_by(_table.c.id.desc()).limit(limit)
    return fitting(transaction, query, most_bytes)


def _older(organization_id: str, before: int | None) -> ColumnElement[bool]:
    mine = _table.c.organization_id == organization_id
    return mine if before is None else mine & (_table.c.id < before)


def latest_of(transaction: Connection, organization_id: str, action: str, limit: int) -> list[AuditEntry]:
    """The newest entries about this action, newest first."""
    rows = transaction.execute(
        select(_table)
        .where(_table.c.organization_id == organization_id, _table.c.action == action)
        .order_by(_table.c.id.desc())
        .limit(limit)
    )
    return [_loaded(row) for row in rows]


def _loaded(row: Any) -> AuditEntry:
    return AuditEntry(row.name, times.loaded(row.at), row.actor, row.action, row.detail)
