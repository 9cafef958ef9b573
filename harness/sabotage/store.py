"""Sabotages of the store's queries and files."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, event, select

from appliance.model.organization import Machine
from appliance.store import engines, machines
from appliance.store.schema import machines as table
from harness.sabotage.parts import replace_part

_find = machines.find
_sqlite = engines.sqlite


def find_machines_of_everyone() -> None:
    """Finds a machine by its id without its organization."""

    def find(transaction: Connection, organization_id: str, machine_id: str) -> Machine | None:
        of_machine = select(table.c.organization_id).where(table.c.id == machine_id)
        return _find(transaction, transaction.scalar(of_machine) or organization_id, machine_id)

    machines.find = find


def list_machines_of_everyone() -> None:
    """Lists the machines of all organizations from the second page on."""
    first: Callable[[str, None], ColumnElement[bool]] = vars(machines)["_beyond"]

    def beyond(organization_id: str, after: IPv4Address | None) -> ColumnElement[bool]:
        return first(organization_id, None) if after is None else table.c.address > int(after)

    replace_part(machines, "_beyond", beyond)


def leave_the_log_unsynced() -> None:
    """Commits when the kernel has the write-ahead log, and syncs the log only before it is written back."""

    def sqlite(url: str) -> Engine:
        engine = _sqlite(url)

        @event.listens_for(engine, "connect")
        def sync_less(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA synchronous = NORMAL")

        return engine

    engines.sqlite = sqlite
