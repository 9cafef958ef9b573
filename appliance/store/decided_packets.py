"""Packets that policies decided about, by hour and by day."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from appliance.store.schema import decided_packets as _table

Packets = Mapping[str | None, int]
"""Packets by rule id; None is the default."""

MOST_RULES = 200
"""Most rules of a step: those with the most packets are kept."""


def add(transaction: Connection, organization_id: str, hours: int, start: int, packets: Packets) -> None:
    """Add packets to a step; the transaction must be the only writer of the organization's steps.

    Args:
        hours: length of the step.
        start: hours since the epoch.
    """
    this = (_table.c.organization_id == organization_id, _table.c.hours == hours, _table.c.start == start)
    found = transaction.execute(select(_table.c.packets).where(*this)).scalar()
    total = {rule or "": count for rule, count in packets.items() if count}
    for rule, count in ({} if found is None else _decoded(found)).items():
        total[rule] = total.get(rule, 0) + count
    most = sorted(total.items(), key=lambda each: each[1], reverse=True)[:MOST_RULES]
    values = {"packets": msgspec.json.encode(dict(most)).decode()}
    if found is None:
        key = {"organization_id": organization_id, "hours": hours, "start": start}
        transaction.execute(insert(_table).values(**key, **values))
    else:
        transaction.execute(update(_table).where(*this).values(values))


def load(transaction: Connection, organization_id: str, hours: int, since: int) -> dict[int, Packets]:
    """Steps of this length that start at an hour or later, by their starts in order."""
    rows = transaction.execute(
        select(_table.c.start, _table.c.packets)
        .where(_table.c.organization_id == organization_id, _table.c.hours == hours, _table.c.start >= since)
        .order_by(_table.c.start)
    )
    return {row.start: {rule or None: count for rule, count in _decoded(row.packets).items()} for row in rows}


def prune(transaction: Connection, hours: int, before: int) -> int:
    """Remove the steps of this length that start before an hour, of all organizations; returns their number."""
    return transaction.execute(delete(_table).where(_table.c.hours == hours, _table.c.start < before)).rowcount


def _decoded(text: str) -> dict[str, int]:
    return msgspec.json.decode(text, type=dict[str, int])
