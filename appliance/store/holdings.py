"""Rows of each organization in all tables.

The tables are found through the schema's metadata, so that new tables are counted and removed, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, func, select

from appliance.store import portions, schema


def count(transaction: Connection) -> dict[str, dict[str, int]]:
    """Number of rows by organization and table, including rows whose organization is gone."""
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for table in schema.metadata.sorted_tables:
        query = counting(table)
        if query is not None:
            for organization, rows in transaction.execute(query):
                counts[organization][table.name] = rows
    return dict(counts)


def remove(transaction: Connection, organization_id: str, most: int | None = None) -> dict[str, int]:
    """Remove rows of the organization, its own row last; returns their numbers by table.

    Args:
        most: most rows to remove; None removes all.
    """
    removed: dict[str, int] = {}
    for table, belongs in _tables_of(organization_id):
        left = None if most is None else most - sum(removed.values())
        if left == 0:
            break
        removed[table.name] = portions.remove(transaction, table, belongs, left)
    return removed


def _tables_of(organization_id: str) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Tables with rows of organizations, and the condition for this one's rows; referring tables come first."""
    people = select(schema.members.c.id).where(schema.members.c.organization_id == organization_id)
    for table in reversed(schema.metadata.sorted_tables):
        if table is schema.organizations:
            yield table, table.c.id == organization_id
        elif "organization_id" in table.c:
            yield table, table.c.organization_id == organization_id
        elif "member_id" in table.c:
            yield table, table.c.member_id.in_(people)


def counting(table: Table) -> Select[tuple[str, int]] | None:
    """Query for the number of the table's rows by organization; None if its rows are of no organization."""
    source: FromClause = table
    if table is schema.organizations:
        owner = table.c.id
    elif "organization_id" in table.c:
        owner = table.c.organization_id
    elif "member_id" in table.c:
        source, owner = table.join(schema.members), schema.members.c.organization_id
    else:
        return None
    return select(owner, func.count()).select_from(source).where(owner.is_not(None)).group_by(owner)
