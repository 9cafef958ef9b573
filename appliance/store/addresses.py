"""Recently released overlay addresses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address

from sqlalchemy import Connection, bindparam, delete, insert, select

from appliance.store import times
from appliance.store.schema import released_addresses as _table

_SINCE = (
    select(_table.c.address, _table.c.released_at)
    .where(_table.c.organization_id == bindparam("organization"), _table.c.released_at > bindparam("since"))
    .order_by(_table.c.address)
)


@dataclass(frozen=True)
class ReleasedAddress:
    """A machine's former address, and the time of its release."""

    address: IPv4Address
    at: datetime


def release(
    transaction: Connection, organization_id: str, released: ReleasedAddress, *, forget_before: datetime
) -> None:
    """Store a released address, and forget those that were released before a time."""
    transaction.execute(
        delete(_table).where(
            _table.c.organization_id == organization_id,
            (_table.c.released_at <= times.stored(forget_before)) | (_table.c.address == int(released.address)),
        )
    )
    transaction.execute(
        insert(_table).values(
            organization_id=organization_id, address=int(released.address), released_at=times.stored(released.at)
        )
    )


def released_since(transaction: Connection, organization_id: str, since: datetime) -> list[ReleasedAddress]:
    """The organization's addresses that were released after a time, sorted by address."""
    rows = transaction.execute(_SINCE, {"organization": organization_id, "since": times.stored(since)})
    return [ReleasedAddress(IPv4Address(row.address), times.loaded(row.released_at)) for row in rows]
