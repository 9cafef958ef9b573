"""Rows for stores of older revisions, made from the tables that the database itself has."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, insert, select
from sqlalchemy.types import JSON, Boolean, Float, Integer, LargeBinary

from appliance.model.keys import new_key_pair
from appliance.service import tokens
from appliance.store.revision import VERSION

NOW = time.time()
_LATER = NOW + 86_400.0
_FIRST_ADDRESS = 10 << 24 | 100 << 16 | 2
SINGLE = {"instance"}
"""Tables of one row."""

# What the product can read, by column, or by table and column. A generic value serves for all others.
_VALUES: Mapping[str, Callable[[int], object]] = {
    "instance.id": lambda _: "abc",
    "instance.port": lambda _: 51820,
    "organizations.network": lambda _: "10.100.0.0/16",
    "organizations.port": lambda number: 51820 + number,
    "organizations.plan": lambda _: "free",
    "organizations.policy_default": lambda _: "allow",
    "organizations.policy_version": lambda _: 2,
    "organizations.shard": lambda _: None,
    "organizations.trail_oldest_at": lambda _: None,
    "suspended_at": lambda _: None,
    "deleting_since": lambda _: None,
    "expires_at": lambda _: _LATER,
    "due_at": lambda _: _LATER,
    "public_key": lambda _: new_key_pair().public,
    "passkeys.public_key": lambda number: f"key {number}".encode(),
    "hub_public_key": lambda _: new_key_pair().public,
    "role": lambda _: "owner",
    "email": lambda number: f"person-{number}@example.net",
    "language": lambda _: "en",
    "address": lambda number: _FIRST_ADDRESS + number,
    "sessions.address": lambda _: "192.0.2.9",
    "operator_sessions.address": lambda _: "192.0.2.9",
    "shards.address": lambda number: f"192.0.2.{number % 256}",
    "groups": lambda _: ["servers"],
    "endpoint": lambda _: "192.0.2.9:40000",
    "rules.action": lambda _: "deny",
    "verdict": lambda _: "deny",
    "source": lambda _: "any",
    "destination": lambda _: "any",
    "protocol": lambda _: "tcp",
    "ports": lambda _: "22",
    "audit.action": lambda _: "policy.saved",
    "audit.detail": lambda number: {"version": number},
    "policy_history.version": lambda _: 2,
    "policy_history.changes": lambda _: '{"rules":1}',
    "policy_history.back": lambda _: '{"default":"allow","added":[],"removed":[]}',
    "decided_packets.hours": lambda _: 1,
    "decided_packets.start": lambda _: int(NOW // 3600),
    "decided_packets.packets": lambda _: '{"":5}',
    "scope": lambda _: "read",
    "tickets.kind": lambda _: "reset",
    "meter_spans.kind": lambda _: "paid",
    "since": lambda _: int(NOW // 60) - 60,
    "until": lambda _: None,
    "sessions.token_hash": lambda number: tokens.hash_of(token_of(number)),
}

Row = Mapping[str, Any]
Contents = Mapping[str, Sequence[Row]]
"""Rows of each table."""


def token_of(number: int) -> str:
    """Token of the session that has this number."""
    return f"{tokens.SESSION}{number}"


class OldStore:
    """Rows that are made at each revision of a store's schema.

    Attributes:
        sessions: number of the session of each new organization's owner, in order.
    """

    def __init__(self) -> None:
        self.sessions: list[int] = []
        self._numbers = count(1)
        self._known: set[str] = set()
        self._first: dict[str, Row] = {}

    def fill(self, transaction: Connection, tables: Sequence[Table]) -> None:
        """Adds an organization with a row in each table; the first one gets a row in tables that are new, too."""
        is_first, made = not self._known, dict[str, Row]()
        for table in tables:
            if table.name not in self._known:
                self._first[table.name] = self._add(transaction, table, self._first)
            if not is_first and table.name not in SINGLE:
                made[table.name] = self._add(transaction, table, made)
        self._known = {table.name for table in tables}

    def _add(self, transaction: Connection, table: Table, owners: Mapping[str, Row]) -> Row:
        number = next(self._numbers)
        values = {column.name: _value(column, number, owners) for column in table.columns if not _is_left_out(column)}
        key = transaction.execute(insert(table).values(values)).inserted_primary_key
        if table.name == "sessions":
            self.sessions.append(number)
        assert key is not None
        return values | {column.name: part for column, part in zip(table.primary_key, key, strict=True)}


def tables_of(transaction: Connection) -> list[Table]:
    """Reads the tables from the database; those that others refer to come first."""
    found = MetaData()
    found.reflect(transaction)
    return [table for table in found.sorted_tables if table.name != VERSION.name]


def contents(transaction: Connection, tables: Sequence[Table]) -> Contents:
    """Reads all rows."""
    return {table.name: [dict(row) for row in transaction.execute(select(table)).mappings()] for table in tables}


def _is_left_out(column: Column[Any]) -> bool:
    """Tells if the database makes the value: a number of its own, or a sum that is 0 at first."""
    is_own = column.primary_key and len(column.table.primary_key) == 1 and isinstance(column.type, Integer)
    return is_own or (column.server_default is not None and isinstance(column.type, Integer | Boolean))


def _value(column: Column[Any], number: int, owners: Mapping[str, Row]) -> object:
    for key in column.foreign_keys:
        return owners[key.column.table.name][key.column.name]
    named = _VALUES.get(f"{column.table.name}.{column.name}") or _VALUES.get(column.name)
    if named is not None:
        return named(number)
    kind = column.type
    if isinstance(kind, JSON):
        return {"number": number}
    if isinstance(kind, LargeBinary):
        return f"{column.name} {number}".encode()
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, Float):
        return NOW
    if isinstance(kind, Integer):
        return number
    length = getattr(kind, "length", None)
    return f"{column.name}{number:04}"[-length:] if length else f"{column.name} {number}"
