"""A store of an earlier day becomes today's: what it enables is listed, and what was good for that day alone ends.

What happened after the backup is not in it. A machine that was removed, a key that was rotated, a member who left: all
of it is back, and only a person can tell whether it should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from appliance.service.context import Actor
from appliance.store import Store, audit, revival
from appliance.store.revival import RestoredOrganization
from appliance.store.times import rfc3339


@dataclass(frozen=True)
class Settled:
    """Counts of what came back, and of what was ended or disabled.

    Attributes:
        ended: sessions, links and tickets.
        disabled: machines that were enabled, and are not any more.
    """

    organizations: int
    ended: int
    disabled: int


def revived(store: Store, now: datetime) -> Iterator[RestoredOrganization]:
    """List what works again when this store is served, organization by organization."""
    with store.read() as transaction:
        yield from revival.restored_organizations(transaction, now)


def newest(store: Store) -> datetime | None:
    """The moment of the last thing that the store tells of; what happened later is not known."""
    with store.read() as transaction:
        return revival.newest(transaction)


def settle(store: Store, now: datetime, *, disable_machines: bool) -> Settled:
    """Ends every session, link and ticket, and tells each organization in its audit trail that it was restored.

    Args:
        disable_machines: whether no machine connects before somebody enables it.
    """
    with store.write() as transaction:
        as_of = revival.newest(transaction)
        ended, disabled, count = revival.end_access(transaction), 0, 0
        for each in revival.restored_organizations(transaction, now):
            organization_id = each.line.id
            here = revival.disable_machines(transaction, organization_id) if disable_machines else 0
            revival.revise(transaction, organization_id)
            detail = {
                "as_of": None if as_of is None else rfc3339(as_of),
                "machines": len(each.machines),
                "machines_disabled": here,
                "members": len(each.people),
                "tokens": len(each.tokens),
            }
            operator = Actor.operator(organization_id)
            audit.record(transaction, organization_id, operator.name, audit.RESTORED, detail, now)
            disabled, count = disabled + here, count + 1
    return Settled(count, ended, disabled)
