"""Metering: spans of enabled machines, of the paid plan and of suspension.

They are updated with each audit entry of such a change, so that a statement does not depend on the trail, whose old
entries are removed. Times are minutes since the epoch (`model.usage`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)

from appliance.model import usage
from appliance.model.organization import Plan
from appliance.model.usage import Lifetime, Span, Step, UsageHistory
from appliance.store.schema import lifetimes as _lifetimes
from appliance.store.schema import meter_spans as _spans
from appliance.store.schema import organizations as _organizations

_ADDED, _CHANGED, _REMOVED = "machine.added", "machine.changed", "machine.removed"
_FOUNDED, _PLAN = "organization.created", "organization.changed"
_SUSPENDED, _RESUMED = "organization.suspended", "organization.resumed"
RESTORED = "service.restored"
METERED = frozenset({_ADDED, _CHANGED, _REMOVED, _FOUNDED, _PLAN, _SUSPENDED, _RESUMED, RESTORED})
"""Actions of audit entries that change the metered spans."""

PAID, SUSPENDED = "paid", "suspended"
_AT_ONCE = 1_000

_earlier = _lifetimes.alias()


def _later(column: ColumnElement[int], minute: BindParameter[int]) -> ColumnElement[int]:
    return case((column > minute, column), else_=minute)


_AT, _END = bindparam("at", type_=Integer), bindparam("end", type_=Integer)
_CLOCK = (
    update(_organizations)
    .where(_organizations.c.id == bindparam("organization"))
    .values(
        meter_from=func.coalesce(func.nullif(_organizations.c.meter_from, 0), _later(_organizations.c.meter_at, _AT)),
        meter_at=_later(_organizations.c.meter_at, _AT),
        meter_end=_later(_organizations.c.meter_end, _END),
    )
    .returning(_organizations.c.meter_at, _organizations.c.meter_end)
)
_ADD = insert(_lifetimes).values(
    organization_id=bindparam("organization"),
    machine_id=bindparam("machine"),
    name=bindparam("name"),
    since=bindparam("since"),
)
_OF_MACHINE = update(_lifetimes).where(
    _lifetimes.c.organization_id == bindparam("organization"), _lifetimes.c.machine_id == bindparam("machine")
)
_RENAME = _OF_MACHINE.values(name=bindparam("new_name"))
_STOP = _OF_MACHINE.where(_lifetimes.c.until.is_(None)).values(until=_END)
_GO_ON = _OF_MACHINE.where(_lifetimes.c.until >= bindparam("begin")).values(until=None)


def note(
    transaction: Connection, organization_id: str, action: str, detail: Mapping[str, Any], moment: datetime
) -> None:
    """Update the spans after a change; actions that are not `METERED` are ignored.

    Changes have to come in their order. After the clock was set back, minutes are not metered twice.
    """
    if action not in METERED:
        return
    at, end = _clocked(transaction, organization_id, moment)
    machine = {"organization": organization_id, "machine": str(detail.get("machine", ""))}
    if action == _ADDED:
        transaction.execute(_ADD, {**machine, "name": detail["name"], "since": at})
    elif action == _CHANGED:
        transaction.execute(_RENAME, {**machine, "new_name": detail["name"]})
        if detail.get("enabled") is True:
            _go_on(transaction, machine, str(detail["name"]), at)
        elif detail.get("enabled") is False:
            transaction.execute(_STOP, {**machine, "end": end})
    elif action == _REMOVED:
        transaction.execute(_STOP, {**machine, "end": end})
    elif action == RESTORED and detail.get("machines_disabled"):
        is_open = (_lifetimes.c.organization_id == organization_id) & _lifetimes.c.until.is_(None)
        transaction.execute(update(_lifetimes).where(is_open).values(until=end))
    elif action == _SUSPENDED:
        _open(transaction, organization_id, SUSPENDED, end)
    elif action == _RESUMED:
        _close(transaction, organization_id, SUSPENDED, at)
    elif action == _PLAN and "plan" in detail:
        if Plan(str(detail["plan"])) is Plan.PAID:
            _open(transaction, organization_id, PAID, at)
        else:
            _close(transaction, organization_id, PAID, end)


def span(transaction: Connection, organization_id: str, until: datetime) -> Span:
    """Minutes of the organization's statement as of ``until``, from its beginning on."""
    clock = transaction.execute(
        select(_organizations.c.meter_from, _organizations.c.meter_at).where(_organizations.c.id == organization_id)
    ).one()
    now = max(clock.meter_at, usage.minute_of(until))
    return Span(clock.meter_from or now, now)


def outline(transaction: Connection, organization_id: str, known: Span, within: Span) -> UsageHistory:
    """Input of a statement without machines: the spans that overlap ``within``.

    Args:
        known: minutes of the whole statement (`span`).
    """
    spans: dict[str, list[Span]] = {PAID: [], SUSPENDED: []}
    for row in transaction.execute(
        select(_spans).where(_overlap(_spans, organization_id, within)).order_by(_spans.c.id)
    ):
        spans[row.kind].append(_span(row, known))
    return UsageHistory(known, (), tuple(spans[PAID]), tuple(spans[SUSPENDED]))


def history(transaction: Connection, organization_id: str, known: Span, within: Span) -> UsageHistory:
    """Input of a statement with machines: what overlaps ``within``.

    Args:
        known: minutes of the whole statement (`span`).
    """
    first = select(func.min(_earlier.c.since)).where(
        _earlier.c.organization_id == _lifetimes.c.organization_id, _earlier.c.machine_id == _lifetimes.c.machine_id
    )
    rows = transaction.execute(
        select(_lifetimes.c.machine_id, _lifetimes.c.name, _lifetimes.c.since, _lifetimes.c.until)
        .where(_overlap(_lifetimes, organization_id, within))
        .order_by(first.scalar_subquery(), _lifetimes.c.machine_id, _lifetimes.c.since)
    )
    lifetimes = tuple(Lifetime(row.machine_id, row.name, _span(row, known)) for row in rows)
    return replace(outline(transaction, organization_id, known, within), lifetimes=lifetimes)


def steps(transaction: Connection, organization_id: str, known: Span) -> Iterator[Step]:
    """Minutes in which the number of enabled machines changed, in order, and by how many; read as they are consumed.

    Args:
        known: minutes of the whole statement (`span`).
    """
    is_own, until = _lifetimes.c.organization_id == organization_id, _lifetimes.c.until
    end = case((until < known.end, until), else_=known.end)
    both = union_all(
        select(_lifetimes.c.since.label("minute"), literal(1).label("change")).where(is_own),
        select(end, literal(-1)).where(is_own),
    ).subquery()
    query = select(both.c.minute, func.sum(both.c.change)).group_by(both.c.minute).order_by(both.c.minute)
    return (
        (minute, change) for minute, change in transaction.execute(query, execution_options={"yield_per": _AT_ONCE})
    )


def names_of(transaction: Connection, organization_id: str, ids: Collection[str]) -> dict[str, str]:
    """Latest names of the machines of these ids, including removed ones."""
    rows = transaction.execute(
        select(_lifetimes.c.machine_id, _lifetimes.c.name)
        .where(_lifetimes.c.organization_id == organization_id, _lifetimes.c.machine_id.in_(ids))
        .distinct()
    )
    return {row.machine_id: row.name for row in rows}


def _overlap(table: Table, organization_id: str, within: Span) -> ColumnElement[bool]:
    """Condition of rows that overlap these minutes, or touch their start.

    The organization stands in both branches, so that SQLite finds the rows of each by an index.
    """
    is_own, until = table.c.organization_id == organization_id, table.c.until
    return and_(table.c.since < within.end, or_(and_(is_own, until.is_(None)), and_(is_own, until >= within.start)))


def _span(row: Row[Any], known: Span) -> Span:
    return Span(row.since, known.end if row.until is None else row.until)


def _clocked(transaction: Connection, organization_id: str, moment: datetime) -> tuple[int, int]:
    """Advance the organization's meter to a change; returns the change's minute and the minute after it.

    A span starts at the first one and ends at the second one. Neither is earlier than at a previous change.
    """
    row = transaction.execute(
        _CLOCK,
        {"organization": organization_id, "at": usage.minute_of(moment), "end": usage.minute_after(moment)},
    ).one()
    return row.meter_at, row.meter_end


def _go_on(transaction: Connection, machine: Mapping[str, str], name: str, since: int) -> None:
    """Start a machine's lifetime, or continue one that ended in this minute, so that it is not metered twice."""
    if not transaction.execute(_GO_ON, {**machine, "begin": since}).rowcount:
        transaction.execute(_ADD, {**machine, "name": name, "since": since})


def _open(transaction: Connection, organization_id: str, kind: str, since: int) -> None:
    """Start a span, or continue one of the same kind that is open or ended in this minute."""
    last = transaction.execute(
        select(_spans)
        .where(_spans.c.organization_id == organization_id, _spans.c.kind == kind)
        .order_by(_spans.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is not None and (last.until is None or last.until >= since):
        # A switch back within a minute must not meter the minute twice.
        transaction.execute(update(_spans).where(_spans.c.id == last.id).values(until=None))
        return
    transaction.execute(insert(_spans).values(organization_id=organization_id, kind=kind, since=since))


def _close(transaction: Connection, organization_id: str, kind: str, until: int) -> None:
    is_open = (_spans.c.organization_id == organization_id) & (_spans.c.kind == kind) & _spans.c.until.is_(None)
    transaction.execute(delete(_spans).where(is_open & (_spans.c.since >= until)))
    transaction.execute(update(_spans).where(is_open).values(until=until))
