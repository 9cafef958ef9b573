"""Audit trails. An entry is stored in the transaction of the change that it describes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select

from appliance.model import entries, retention
from appliance.model.ids import new_id
from appliance.model.organization import AuditEntry
from appliance.store import meters, times, trails
from appliance.store.fitting import fitting
from appliance.store.schema import IS_REPAIR
from appliance.store.schema import audit as _table

MENDED = "hub.mended"
"""Repair of damage by the hub; the detail has ``found`` (a list of texts) and ``seconds``."""

RESTORED = meters.RESTORED
"""Restore of the service from a backup; the detail has the time of the backup and the organization's numbers."""

_INSERT = insert(_table).returning(_table.c.id)


def record(
    transaction: Connection, organization_id: str, actor: str, action: str, detail: dict[str, Any], at: datetime
) -> int:
    """Add an entry, shorten its detail if it is too long (`entries.shortened`), and meter the change (`meters`).

    Returns:
        The entry's number, which must not be shown, because it counts the entries of all organizations.
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
    most = retention.MOST_A_DAY_OF_ACCOUNTS if entries.is_about_signing_in(action) else retention.MOST_A_DAY
    trails.note(transaction, organization_id, size, at, most=most)
    meters.note(transaction, organization_id, action, detail, at)
    return number


def find(transaction: Connection, number: int) -> AuditEntry | None:
    row = transaction.execute(select(_table).where(_table.c.id == number)).one_or_none()
    return None if row is None else _loaded(row)


def count_since(
    transaction: Connection, organization_id: str, actor: str, actions: tuple[str, ...], since: datetime, now: datetime
) -> int:
    """Count entries of an actor with these actions, from ``since`` to ``now``.

    Entries later than ``now``, which exist after the clock was set back, don't count.
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
    """Latest time of the organization's entries, which may be in the future after the clock was set back."""
    query = select(func.max(_table.c.at)).where(_table.c.organization_id == organization_id)
    moment = transaction.execute(query).scalar_one()
    return None if moment is None else times.loaded(moment)


def number_of(transaction: Connection, organization_id: str, entry_id: str) -> int | None:
    """Number of the organization's entry with this id; None if there is none."""
    return transaction.execute(
        select(_table.c.id).where(_table.c.name == entry_id, _table.c.organization_id == organization_id)
    ).scalar_one_or_none()


def page_of(transaction: Connection, organization_id: str, *, before: int | None, limit: int) -> list[AuditEntry]:
    """At most ``limit`` entries, newest first, that are older than the entry of number ``before``."""
    query = select(_table).where(_older(organization_id, before)).order_by(_table.c.id.desc()).limit(limit)
    return [_loaded(row) for row in transaction.execute(query)]


def fitting_page(
    transaction: Connection, organization_id: str, *, before: int | None, limit: int, most_bytes: int
) -> int:
    """Number of entries at the start of a page of `page_of` that fit into ``most_bytes``; at least one."""
    query = select(_table.c.size).where(_older(organization_id, before)).order_by(_table.c.id.desc()).limit(limit)
    return fitting(transaction, query, most_bytes)


def _older(organization_id: str, before: int | None) -> ColumnElement[bool]:
    mine = _table.c.organization_id == organization_id
    return mine if before is None else mine & (_table.c.id < before)


def latest_repairs(transaction: Connection, organization_id: str, limit: int) -> list[AuditEntry]:
    """The newest entries about repairs, newest first."""
    rows = transaction.execute(
        select(_table)
        .where(_table.c.organization_id == organization_id, IS_REPAIR)
        .order_by(_table.c.id.desc())
        .limit(limit)
    )
    return [_loaded(row) for row in rows]


def _loaded(row: Any) -> AuditEntry:
    return AuditEntry(row.name, times.loaded(row.at), row.actor, row.action, row.detail)
