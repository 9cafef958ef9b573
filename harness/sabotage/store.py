"""Sabotages of the store's queries and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, event, select

from appliance.model.organization import Machine
from appliance.model.verdict import ConnectionEnd
from appliance.service import expectations
from appliance.service.changes import OpenChange
from appliance.store import engines, machine_outlines, machines
from appliance.store.machine_outlines import Outline
from appliance.store.schema import machines as table
from appliance.store.schema import organizations
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


def search_machines_of_everyone() -> None:
    """Searches the machines of all organizations, and shows those of one."""
    all_of = machine_outlines.all_of

    def outlines(transaction: Connection, organization_id: str) -> list[Outline]:
        others = select(organizations.c.id).where(organizations.c.id != organization_id)
        everybody = [organization_id, *transaction.execute(others).scalars()]
        return sorted((each for one in everybody for each in all_of(transaction, one)), key=lambda each: each.address)

    machine_outlines.all_of = outlines


def expect_of_everyone() -> None:
    """Takes expectations about machines of other organizations."""
    ends_of = expectations.ends_of

    def ends(change: OpenChange) -> list[ConnectionEnd]:
        everybody = change.transaction.execute(select(table.c.id)).scalars()
        return [*ends_of(change), *(ConnectionEnd(each, frozenset()) for each in everybody)]

    expectations.ends_of = ends


def list_groups_of_everyone() -> None:
    """Offers the groups of all organizations in the list of machines."""
    group_texts = machine_outlines.group_texts

    def texts(transaction: Connection, organization_id: str) -> Sequence[str]:
        everybody = transaction.execute(select(organizations.c.id)).scalars().all()
        found = (text for each in everybody for text in group_texts(transaction, each))
        return [*group_texts(transaction, organization_id), *found]

    machine_outlines.group_texts = texts
