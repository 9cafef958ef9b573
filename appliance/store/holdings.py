"""What the store keeps on behalf of each organization, table by table.

The tables are asked, not the code that fills them: what a table gets tomorrow is counted and removed all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, delete, func, select

from appliance.store import schema


def count(transaction: Connection) -> dict[str, dict[str, int]]:
    """Rows by organization and table, of each table that has any, for organizations that are gone too."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for table in schema.metadata.sorted_tables:
        query = _by_organization(table)
        if query is not None:
            for organization, rows in transaction.execute(query):
                found[organization][table.name] = rows
    return dict(found)


def remove(transaction: Connection, organization_id: str) -> dict[str, int]:
    """Removes every row of the organization; tells how many there were in each table but that of organizations."""
    removed = {
        table.name: transaction.execute(delete(table).where(belongs)).rowcount
        for table, belongs in _belonging_to(organization_id)
    }
    del removed[schema.organizations.name]
    return removed


def _belonging_to(organization_id: str) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Each table that has rows of organizations, those that refer to others first, and which rows are this one's."""
    people = select(schema.members.c.id).where(schema.members.c.organization_id == organization_id)
    for table in reversed(schema.metadata.sorted_tables):
        if table is schema.organizations:
            yield table, table.c.id == organization_id
        elif "organization_id" in table.c:
            yield table, table.c.organization_id == organization_id
        elif "member_id" in table.c:
            yield table, table.c.member_id.in_(people)


def _by_organization(table: Table) -> Select[tuple[str, int]] | None:
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
