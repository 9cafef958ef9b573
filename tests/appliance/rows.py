"""Rows for every table, made from the schema, so that new tables are included."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, insert, inspect, select
from sqlalchemy.types import JSON, Boolean, Float, Integer, LargeBinary

from appliance.model.ids import new_id
from appliance.store import schema

OWNED_BY = {"organization_id", "member_id"}


def fill(transaction: Connection, organization_id: str, member_id: str) -> list[str]:
    """Adds a row of the organization or of its member to each table that can have one; returns the tables' names."""
    filled = []
    for table in schema.metadata.sorted_tables:
        if not OWNED_BY & set(table.c.keys()) or table is schema.members:
            continue
        owner = {"organization_id": organization_id, "member_id": member_id}
        made = {
            column.name: owner.get(column.name) or _value(column)
            for column in table.columns
            if not (column.primary_key and isinstance(column.type, Integer) and column.autoincrement is not False)
        }
        transaction.execute(insert(table).values(made))
        filled.append(table.name)
    return filled


def everything(transaction: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Reads all rows of the database by table; fails if the database has tables that the schema doesn't have."""
    names = [each for each in inspect(transaction).get_table_names() if each != "alembic_version"]
    assert set(names) == set(schema.metadata.tables)
    return {
        table.name: [tuple(row) for row in transaction.execute(select(table))]
        for table in schema.metadata.sorted_tables
    }


def _value(column: Column[Any]) -> object:
    kind = column.type
    if isinstance(kind, JSON):
        return {}
    if isinstance(kind, LargeBinary):
        return new_id().encode()
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Float):
        return 1.0
    if isinstance(kind, Integer):
        return 1
    return new_id()[: getattr(kind, "length", None)]
