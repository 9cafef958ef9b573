"""Everything that exists on behalf of each organization, on the host and in the store, and what of it has no owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.hub.rpc.footprint import Footprint
from appliance.store import Store, holdings, organizations


class HostPort(Protocol):
    """What a census asks of the data plane; the hub's client and the data plane itself are one."""

    def census(self) -> Sequence[Footprint]: ...

    def remove(self, organization: str) -> None: ...


@dataclass(frozen=True)
class Holding:
    """What exists on behalf of one organization.

    Attributes:
        name: None where the store knows no such organization: then all this is an orphan.
        host: None where there is nothing of it on the host.
        rows: how many it has in each table of the store that has any.
    """

    organization: str
    name: str | None
    host: Footprint | None
    rows: Mapping[str, int]

    @property
    def is_orphan(self) -> bool:
        """Whether nobody owns it."""
        return self.name is None


def take(store: Store, host: HostPort) -> tuple[Holding, ...]:
    """The census of an instance, by organization.

    Raises:
        HubError: the host could not be looked at.
    """
    # The host before the store: a sign-up is stored first, so one that begins meanwhile is never taken for an orphan.
    footprints = {each.organization: each for each in host.census()}
    with store.read() as transaction:
        names = organizations.names(transaction)
        rows = holdings.count(transaction)
    return tuple(
        Holding(each, names.get(each), footprints.get(each), rows.get(each, {}))
        for each in sorted({*footprints, *names, *rows})
    )


def remove(store: Store, host: HostPort, orphan: Holding) -> None:
    """Removes what has no owner.

    Raises:
        HubError: something of it stayed on the host.
        ValueError: it has an owner.
    """
    if not orphan.is_orphan:
        raise ValueError(f"organization {orphan.organization} exists")
    if orphan.host is not None:
        host.remove(orphan.organization)
    if orphan.rows:
        with store.write() as transaction:
            organizations.remove(transaction, orphan.organization)
