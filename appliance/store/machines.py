"""Machines."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, bindparam, cast, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from appliance.model.desired import Peer
from appliance.model.errors import Conflict
from appliance.model.organization import Machine
from appliance.store import times
from appliance.store.fitting import fitting
from appliance.store.schema import IS_DISABLED, organizations
from appliance.store.schema import machines as _table

ROW_BYTES = 330
"""Approximate bytes of a machine in an answer, without its name and groups."""

_PEERS = (
    select(_table.c.id, _table.c.public_key, _table.c.address, _table.c.groups)
    .where(_table.c.organization_id == bindparam("organization"), _table.c.enabled)
    .order_by(_table.c.address)
)
_ENDPOINTS = select(_table.c.public_key, _table.c.endpoint).where(
    _table.c.organization_id == bindparam("organization"), _table.c.endpoint.is_not(None)
)
_CONNECTED = _ENDPOINTS.with_only_columns(_table.c.public_key)
_DISABLED = select(_table.c.id, _table.c.address).where(
    _table.c.organization_id == bindparam("organization"), IS_DISABLED
)
_DISABLED_GROUPS = select(_table.c.id, _table.c.groups).where(
    _table.c.organization_id == bindparam("organization"), IS_DISABLED
)
_ALL_NAMED = select(_table.c.id, _table.c.name, cast(_table.c.groups, Text).label("groups")).where(
    _table.c.organization_id == bindparam("organization")
)
_NAMES = select(_table.c.id, _table.c.name).where(
    _table.c.organization_id == bindparam("organization"), _table.c.id.in_(bindparam("ids", expanding=True))
)
_CREATE = insert(_table)
_ALIKE = select(_table.c.public_key).where(
    _table.c.organization_id == bindparam("organization"),
    _table.c.id != bindparam("id"),
    (_table.c.name == bindparam("name")) | (_table.c.public_key == bindparam("key")),
)
_INTERFACES = select(_table.c.interface).where(
    _table.c.organization_id == bindparam("organization"),
    _table.c.id != bindparam("id"),
    _table.c.interface.in_(bindparam("wanted", expanding=True)),
)


def check_unique(transaction: Connection, organization_id: str, machine: Machine) -> None:
    """Refuse a machine whose name or key another machine of the organization has.

    It gives an early answer; the database's constraints decide when the machine is stored.

    Raises:
        Conflict: the name or the key is taken.
    """
    parameters = {"organization": organization_id, "id": machine.id, "name": machine.name, "key": machine.public_key}
    row = transaction.execute(_ALIKE, parameters).first()
    if row is not None:
        raise _key_taken() if row.public_key == machine.public_key else _name_taken(machine)


def interfaces_of_others(
    transaction: Connection, organization_id: str, machine_id: str, wanted: Sequence[str]
) -> set[str]:
    """Wanted names that other machines of the organization have for their interfaces."""
    parameters = {"organization": organization_id, "id": machine_id, "wanted": wanted}
    return set(transaction.execute(_INTERFACES, parameters).scalars())


def create(transaction: Connection, organization_id: str, machine: Machine) -> None:
    """Store a new machine.

    Raises:
        Conflict: another machine of the organization has its name, file, address or key.
    """
    try:
        transaction.execute(_CREATE, {"organization_id": organization_id, "id": machine.id, **_columns(machine)})
    except IntegrityError as error:
        raise _collision(error, machine) from error


def change(transaction: Connection, organization_id: str, machine: Machine) -> None:
    """Store a changed machine.

    Raises:
        Conflict: another machine of the organization has its name, file, address or key.
    """
    try:
        transaction.execute(
            update(_table)
            .where(_table.c.organization_id == organization_id, _table.c.id == machine.id)
            .values(**_columns(machine))
        )
    except IntegrityError as error:
        raise _collision(error, machine) from error


def remove(transaction: Connection, organization_id: str, machine_id: str) -> None:
    transaction.execute(delete(_table).where(_table.c.organization_id == organization_id, _table.c.id == machine_id))


def find(transaction: Connection, organization_id: str, machine_id: str) -> Machine | None:
    """The organization's machine of this id, if there is one."""
    row = transaction.execute(
        select(_table).where(_table.c.organization_id == organization_id, _table.c.id == machine_id)
    ).one_or_none()
    return None if row is None else loaded(row)


def peers_of(transaction: Connection, organization_id: str) -> tuple[Peer, ...]:
    """The organization's enabled machines as peers of its link, sorted by address."""
    rows = transaction.execute(_PEERS, {"organization": organization_id})
    return tuple(Peer(row.id, row.public_key, IPv4Address(row.address), frozenset(row.groups)) for row in rows)


def disabled_of(transaction: Connection, organization_id: str) -> dict[str, IPv4Address]:
    """Addresses of the organization's disabled machines, by id."""
    rows = transaction.execute(_DISABLED, {"organization": organization_id})
    return {row.id: IPv4Address(row.address) for row in rows}


def groups_of_disabled(transaction: Connection, organization_id: str) -> dict[str, frozenset[str]]:
    """Groups of the organization's disabled machines, by id."""
    rows = transaction.execute(_DISABLED_GROUPS, {"organization": organization_id})
    return {row.id: frozenset(row.groups) for row in rows}


def names_of(transaction: Connection, organization_id: str, ids: Collection[str]) -> dict[str, str]:
    """Names of the organization's machines of these ids, by id."""
    if not ids:
        return {}
    rows = transaction.execute(_NAMES, {"organization": organization_id, "ids": list(ids)})
    return {row.id: row.name for row in rows}


def all_named(transaction: Connection, organization_id: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Id, name and groups of each of the organization's machines, disabled ones too."""
    rows = transaction.execute(_ALL_NAMED, {"organization": organization_id}).all()
    # Many machines have the same groups, and parsing is most of the work.
    groups = {text: tuple(json.loads(text)) for text in {row.groups for row in rows}}
    return [(row.id, row.name, groups[row.groups]) for row in rows]


def endpoints(transaction: Connection, organization_id: str) -> dict[str, str]:
    """Last known endpoints of the machines, ``address:port`` by public key; without machines that never connected."""
    rows = transaction.execute(_ENDPOINTS, {"organization": organization_id})
    return {row.public_key: row.endpoint for row in rows}


def connected(transaction: Connection, organization_id: str) -> set[str]:
    """Public keys of the machines that have ever connected."""
    return set(transaction.execute(_CONNECTED, {"organization": organization_id}).scalars())


def endpoints_by_organization(transaction: Connection, shard: str | None) -> dict[str, dict[str, str]]:
    """Last known endpoints of the machines of a shard's organizations, ``address:port`` by public key."""
    query = select(_table.c.organization_id, _table.c.public_key, _table.c.endpoint).where(
        _table.c.organization_id.in_(select(organizations.c.id).where(organizations.c.shard == shard)),
        _table.c.endpoint.is_not(None),
    )
    found: dict[str, dict[str, str]] = {}
    for row in transaction.execute(query):
        found.setdefault(row.organization_id, {})[row.public_key] = row.endpoint
    return found


def note_endpoints(transaction: Connection, organization_id: str, heard: Mapping[str, str]) -> None:
    """Store the machines' last endpoints by public key; keys of machines that are gone are ignored."""
    rows = [{"key": key, "heard_from": endpoint} for key, endpoint in heard.items()]
    if rows:
        transaction.execute(
            update(_table)
            .where(_table.c.organization_id == organization_id, _table.c.public_key == bindparam("key"))
            .values(endpoint=bindparam("heard_from")),
            rows,
        )


def page_of(transaction: Connection, organization_id: str, *, after: IPv4Address | None, limit: int) -> list[Machine]:
    """At most ``limit`` machines beyond ``after``, sorted by address."""
    query = select(_table).where(_beyond(organization_id, after)).order_by(_table.c.address).limit(limit)
    return [loaded(row) for row in transaction.execute(query)]


def fitting_page(
    transaction: Connection, organization_id: str, *, after: IPv4Address | None, limit: int, most_bytes: int
) -> int:
    """Number of machines at the start of a page of `page_of` that fit into ``most_bytes``; at least one."""
    size = ROW_BYTES + 4 * func.length(_table.c.name) + func.length(cast(_table.c.groups, Text))
    query = select(size).where(_beyond(organization_id, after)).order_by(_table.c.address).limit(limit)
    return fitting(transaction, query, most_bytes)


def _beyond(organization_id: str, after: IPv4Address | None) -> ColumnElement[bool]:
    mine = _table.c.organization_id == organization_id
    return mine if after is None else mine & (_table.c.address > int(after))


def count(transaction: Connection) -> int:
    """Number of machines of all organizations."""
    return transaction.execute(select(func.count()).select_from(_table)).scalar_one()


def _columns(machine: Machine) -> dict[str, Any]:
    return {
        "name": machine.name,
        "interface": machine.interface,
        "address": int(machine.address),
        "public_key": machine.public_key,
        "groups": list(machine.groups),
        "enabled": machine.enabled,
        "created_at": times.stored(machine.created_at),
    }


def _collision(error: IntegrityError, machine: Machine) -> Conflict:
    text = str(error.orig)
    # SQLite names the columns, PostgreSQL the constraint, whose name contains the columns.
    if "public_key" in text:
        return _key_taken()
    if "interface" in text:
        return Conflict(
            "Another machine of this organization has the file {file_name}.", field="name", file_name=machine.file_name
        )
    if "address" in text:
        return Conflict(
            "Another machine of this organization has the address {address}.", field="address", address=machine.address
        )
    return _name_taken(machine)


def _key_taken() -> Conflict:
    return Conflict("Another machine of this organization has this public key.", field="public_key")


def _name_taken(machine: Machine) -> Conflict:
    return Conflict('A machine called "{name}" exists already.', field="name", name=machine.name)


def loaded(row: Any) -> Machine:
    """Make a machine of its row."""
    return Machine(
        id=row.id,
        name=row.name,
        interface=row.interface,
        address=IPv4Address(row.address),
        public_key=row.public_key,
        groups=tuple(row.groups),
        created_at=times.loaded(row.created_at),
        enabled=row.enabled,
        has_connected=row.endpoint is not None,
    )
