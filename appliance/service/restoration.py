"""Restoration of an old store: a list of everything that works again, and the end of sessions, links and tickets.

Changes after the backup are lost. Removed machines, rotated keys and former members are back, and only a person can
tell whether they should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from appliance.service.actor import Actor
from appliance.store import Store, audit, operators, restored_access
from appliance.store.operators import OperatorStanding
from appliance.store.restored_access import RestoredOrganization
from appliance.store.times import rfc3339


@dataclass(frozen=True)
class Settled:
    """Counts of a restoration.

    Attributes:
        organizations: organizations in the store.
        ended: sessions, links and tickets that were ended.
        disabled: machines that were disabled.
    """

    organizations: int
    ended: int
    disabled: int


def revived(store: Store, now: datetime) -> Iterator[RestoredOrganization]:
    """List everything that works again when this store is served, by organization."""
    with store.read() as transaction:
        yield from restored_access.restored_organizations(transaction, now)


def revived_operators(store: Store) -> list[OperatorStanding]:
    """List the operators who can sign in again when this store is served."""
    with store.read() as transaction:
        return operators.all_of(transaction)


def newest(store: Store) -> datetime | None:
    """Find the time of the store's latest record."""
    with store.read() as transaction:
        return restored_access.newest(transaction)


def settle(store: Store, now: datetime, *, disable_machines: bool) -> Settled:
    """End every session, link and ticket, and note the restoration in each organization's audit trail.

    Args:
        disable_machines: True to disable every machine until somebody enables it.
    """
    with store.write() as transaction:
        as_of = restored_access.newest(transaction)
        ended, disabled, count = restored_access.end_access(transaction), 0, 0
        for each in restored_access.restored_organizations(transaction, now):
            organization_id = each.line.id
            here = restored_access.disable_machines(transaction, organization_id) if disable_machines else 0
            restored_access.revise(transaction, organization_id)
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
