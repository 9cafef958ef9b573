"""Sizes of audit trails, and the removal of old entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, case, delete, func, or_, select, update

from appliance.model.organization import Organization
from appliance.model.retention import MOST_A_DAY, Retention
from appliance.store import times
from appliance.store.schema import audit as _entries
from appliance.store.schema import organizations as _table

_DAY = 86_400

_WRITTEN = case((_table.c.trail_day == bindparam("day"), _table.c.trail_day_bytes), else_=0)
_NOTE = (
    update(_table)
    .where(_table.c.id == bindparam("organization"))
    .values(
        trail_entries=_table.c.trail_entries + 1,
        trail_bytes=_table.c.trail_bytes + bindparam("size"),
        trail_day_bytes=case((bindparam("most") > _WRITTEN, _WRITTEN + bindparam("size")), else_=_WRITTEN),
        trail_day=bindparam("day"),
        trail_oldest_at=func.coalesce(_table.c.trail_oldest_at, bindparam("at")),
    )
)


@dataclass(frozen=True)
class TrailSize:
    """Size of an audit trail.

    Attributes:
        bytes: approximate.
        oldest: time of the oldest entry; None if there is none.
    """

    entries: int
    bytes: int
    oldest: datetime | None


def note(transaction: Connection, organization_id: str, size: int, at: datetime, *, most: int = MOST_A_DAY) -> None:
    """Count an added entry.

    Args:
        most: bytes of a day at which the entry is no longer counted among them.
    """
    moment = times.stored(at)
    transaction.execute(
        _NOTE,
        {"organization": organization_id, "size": size, "day": int(moment // _DAY), "at": moment, "most": most},
    )


def written_on(organization: Organization, at: datetime) -> int:
    """Bytes that were written to the trail on the day (UTC) of a time, when the organization was read."""
    return organization.trail_day_bytes if organization.trail_day == int(times.stored(at) // _DAY) else 0


def size_of(transaction: Connection, organization_id: str) -> TrailSize:
    """Size of the organization's trail."""
    row = transaction.execute(
        select(_table.c.trail_entries, _table.c.trail_bytes, _table.c.trail_oldest_at).where(
            _table.c.id == organization_id
        )
    ).one()
    oldest = None if row.trail_oldest_at is None else times.loaded(row.trail_oldest_at)
    return TrailSize(row.trail_entries, row.trail_bytes, oldest)


def overdue(transaction: Connection, retention: Retention, now: datetime, most: int) -> Sequence[str]:
    """Ids of at most ``most`` organizations whose trail exceeds the retention."""
    rows = transaction.execute(
        select(_table.c.id)
        .where(
            or_(
                _table.c.trail_oldest_at < times.stored(retention.oldest(now)),
                _table.c.trail_bytes > retention.bytes,
            )
        )
        .limit(most)
    )
    return [row.id for row in rows]


def prune(transaction: Connection, organization_id: str, retention: Retention, now: datetime, most: int) -> int:
    """Remove at most ``most`` of the oldest entries that exceed the retention; returns their number.

    An entry with a future time, which exists after the clock was set back, is removed with the next entry that is too
    old.
    """
    oldest, present_moment = times.stored(retention.oldest(now)), times.stored(now)
    present = size_of(transaction, organization_id)
    rows = transaction.execute(
        select(_entries.c.id, _entries.c.at, _entries.c.size)
        .where(_entries.c.organization_id == organization_id)
        .order_by(_entries.c.id)
        .limit(most + 1)
    ).all()
    left, removed, left_then = present.bytes, 0, present.bytes
    for number, row in enumerate(rows[:most], 1):
        is_over = left_then > retention.bytes
        if oldest <= row.at <= present_moment and not is_over:
            break
        left_then -= row.size
        if row.at < oldest or is_over:
            left, removed = left_then, number
    if removed:
        transaction.execute(
            delete(_entries).where(_entries.c.organization_id == organization_id, _entries.c.id <= rows[removed - 1].id)
        )
    transaction.execute(
        update(_table)
        .where(_table.c.id == organization_id)
        .values(
            trail_entries=present.entries - removed if rows else 0,
            trail_bytes=max(0, left) if rows else 0,
            trail_oldest_at=min(rows[removed].at, present_moment) if removed < len(rows) else None,
        )
    )
    return removed
