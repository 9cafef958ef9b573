"""Inventory of each organization's objects on the host and rows in the store, and removal of orphans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.hub.host_objects import HostObjects
from appliance.store import Store, holdings, organizations


class HostPort(Protocol):
    """Data plane as a census calls it; `HubClient` and the hub's `Plane` implement it."""

    def census(self) -> Sequence[HostObjects]: ...

    def remove(self, organization: str) -> None: ...


@dataclass(frozen=True)
class Holding:
    """Objects and rows of one organization.

    Attributes:
        name: None if the store has no such organization; then the rest is an orphan.
        host: None if the host has nothing of it.
        rows: number of its rows by table, without tables that have none.
    """

    organization: str
    name: str | None
    host: HostObjects | None
    rows: Mapping[str, int]

    @property
    def is_orphan(self) -> bool:
        """True if the store has no such organization."""
        return self.name is None


def take(store: Store, host: HostPort) -> tuple[Holding, ...]:
    """List what each organization of the instance has, sorted by organization.

    Raises:
        HubError: the host's part could not be listed.
    """
    # The host before the store: a sign-up is stored first, so one that begins meanwhile is never taken for an orphan.
    on_host = {each.organization: each for each in host.census()}
    with store.read() as transaction:
        names = organizations.names(transaction)
        rows = holdings.count(transaction)
    return tuple(
        Holding(each, names.get(each), on_host.get(each), rows.get(each, {}))
        for each in sorted({*on_host, *names, *rows})
    )


def remove(store: Store, host: HostPort, orphan: Holding) -> None:
    """Remove an orphan.

    Raises:
        HubError: a part of it could not be removed from the host.
        ValueError: it is no orphan.
    """
    if not orphan.is_orphan:
        raise ValueError(f"organization {orphan.organization} exists")
    if orphan.host is not None:
        host.remove(orphan.organization)
    if orphan.rows:
        with store.write() as transaction:
            organizations.remove(transaction, orphan.organization)
