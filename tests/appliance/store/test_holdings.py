"""Rows of organizations in all tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sqlalchemy import text

from appliance.service import Actor, Context, machines
from appliance.store import Store, holdings, organizations, schema
from appliance.store.database import sqlite_file
from tests.appliance.conftest import sign_up
from tests.appliance.databases import on_sqlite

OPERATORS = {each.name for each in schema.metadata.sorted_tables if "operator_id" in each.c} | {"operators"}
"""Tables of the people who run the service."""


def test_rows_are_counted_by_owner(context: Context, store: Store, owner: Actor) -> None:
    other = sign_up(context, "other@example.net")
    for name in ("one", "two"):
        machines.add(context, owner, name=name)
    with store.read() as transaction:
        found = holdings.count(transaction)
    assert set(found) == {owner.organization_id, other.organization_id}
    mine = found[owner.organization_id]
    assert (mine["organizations"], mine["members"], mine["sessions"], mine["machines"]) == (1, 1, 1, 2)
    assert "machines" not in found[other.organization_id]


def test_every_table_belongs_to_organizations_or_to_the_instance() -> None:
    # A new table without an owner has to be added here on purpose.
    unowned = {table.name for table in schema.metadata.sorted_tables if holdings.counting(table) is None}
    ours = {"instance", "deletions", "operations", "hidden_runs", "reset_requests", "challenges", "permits", "shards"}
    assert unowned == ours | OPERATORS


@on_sqlite
def test_rows_without_an_organization_are_found_and_removed(database: str, store: Store, owner: Actor) -> None:
    file = sqlite_file(database)
    assert file is not None
    # SQLite checks foreign keys only where a connection asks for it.
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM organizations")
    with store.write() as transaction:
        assert transaction.execute(text("SELECT count(*) FROM members")).scalar() == 1
        assert set(holdings.count(transaction)) == {owner.organization_id}
        organizations.remove(transaction, owner.organization_id)
        assert holdings.count(transaction) == {}
