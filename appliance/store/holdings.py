"""What the store keeps on behalf of each organization, counted table by table.

The tables are asked, not the code that fills them: a table that a deletion forgets is counted all the same.
"""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, FromClause, Select, Table, func, select

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
    return select(owner, func.count()).select_from(source).group_by(owner)
