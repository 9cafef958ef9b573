"""Sabotages of the store's queries and files."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event, select

from appliance.model.organization import Machine
from appliance.store import engines, machines
from appliance.store.schema import machines as table

_find = machines.find
_sqlite = engines.sqlite


def find_machines_of_everyone() -> None:
    """Finds a machine by its id without its organization."""

    def find(transaction: Connection, organization_id: str, machine_id: str) -> Machine | None:
        of_machine = select(table.c.organization_id).where(table.c.id == machine_id)
        return _find(transaction, transaction.scalar(of_machine) or organization_id, machine_id)

    machines.find = find


def leave_the_log_unsynced() -> None:
    """Commits when the kernel has the write-ahead log, and syncs the log only before it is written back."""

    def sqlite(url: str) -> Engine:
        engine = _sqlite(url)

        @event.listens_for(engine, "connect")
        def sync_less(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA synchronous = NORMAL")

        return engine

    engines.sqlite = sqlite
