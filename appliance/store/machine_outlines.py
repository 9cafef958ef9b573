"""Outlines of machines: what a search needs of every machine of an organization, without the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Text, bindparam, cast, func, select

from appliance.model.organization import Machine
from appliance.store import machines
from appliance.store.schema import machines as _table

_OF_ORGANIZATION = _table.c.organization_id == bindparam("organization")
_OUTLINES = (
    select(
        _table.c.id,
        _table.c.name,
        _table.c.address,
        _table.c.public_key,
        cast(_table.c.groups, Text).label("groups"),
        _table.c.enabled,
        _table.c.endpoint.is_not(None),
    )
    .where(_OF_ORGANIZATION)
    .order_by(_table.c.address)
)
_GROUPS = select(cast(_table.c.groups, Text)).where(_OF_ORGANIZATION).distinct()
_COUNT = select(func.count()).select_from(_table).where(_OF_ORGANIZATION)
_BY_IDS = select(_table).where(_OF_ORGANIZATION, _table.c.id.in_(bindparam("ids", expanding=True)))


class Outline(NamedTuple):
    """A machine without what a search does not need.

    Attributes:
        address: as a number.
        groups: as JSON, which many machines have in common, so that each text is decoded once.
    """

    id: str
    name: str
    address: int
    public_key: str
    groups: str
    enabled: bool
    has_connected: bool


def all_of(transaction: Connection, organization_id: str) -> list[Outline]:
    """Outlines of the organization's machines, sorted by address."""
    return [Outline(*row) for row in transaction.execute(_OUTLINES, {"organization": organization_id})]


def group_texts(transaction: Connection, organization_id: str) -> Sequence[str]:
    """Different lists of groups that machines of the organization have, as JSON."""
    return transaction.execute(_GROUPS, {"organization": organization_id}).scalars().all()


def count(transaction: Connection, organization_id: str) -> int:
    """Number of the organization's machines."""
    return transaction.execute(_COUNT, {"organization": organization_id}).scalar_one()


def whole(transaction: Connection, organization_id: str, ids: Collection[str]) -> dict[str, Machine]:
    """Load the organization's machines of these ids, by id."""
    if not ids:
        return {}
    rows = transaction.execute(_BY_IDS, {"organization": organization_id, "ids": list(ids)})
    return {row.id: machines.loaded(row) for row in rows}
