"""Properties of every table, also of tables that are added later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import ForeignKey, delete, inspect, text

from appliance.service import Actor
from appliance.store import Store, machines, migration, schema
from appliance.store.revision import NEWEST, revision
from tests.appliance.databases import BOTH, on_sqlite, query_plans
from tests.appliance.postgres import Cluster
from tests.appliance.rows import everything, fill

KEYS = [
    key
    for table in schema.metadata.sorted_tables
    for key in sorted(table.foreign_keys, key=lambda key: str(key.parent))
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.parent))
def test_foreign_keys_cascade_deletions(key: ForeignKey) -> None:
    assert key.ondelete == "CASCADE"


def test_columns_that_name_an_owner_are_foreign_keys() -> None:
    for table in schema.metadata.sorted_tables:
        for name in {"organization_id", "member_id"} & set(table.c.keys()):
            assert table.c[name].foreign_keys, f"{table.name}.{name} may outlive its owner"


def test_deleting_an_organization_s_row_deletes_all_its_rows(store: Store, owner: Actor) -> None:
    with store.write() as transaction:
        before = everything(transaction)
        fill(transaction, owner.organization_id, owner.member_id)
        transaction.execute(delete(schema.organizations))
        assert not any(everything(transaction).values())
    assert before["organizations"]


def test_a_process_with_sqlite_loads_no_code_of_postgresql() -> None:
    program = """
import sys
from appliance.store import Store
from appliance.store.schema import metadata
Store("sqlite:////nowhere")
print(*(name for name in sys.modules if name.startswith(("psycopg", "sqlalchemy.dialects.postgresql"))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


_OBJECTS = "SELECT name, sql FROM sqlite_master"
_INDEXES = "SELECT indexname AS name, indexdef AS sql FROM pg_indexes"


def described(store: Store) -> dict[str, object]:
    """Describes tables without the order of columns and constraints, and all other objects by their SQL."""
    with store.read() as transaction:
        found = inspect(transaction)
        entries = transaction.execute(text(_OBJECTS if store.is_sqlite else _INDEXES))
        made: dict[str, object] = {entry.name: entry.sql for entry in entries}
        for name in found.get_table_names():
            columns = [{**each, "type": str(each["type"])} for each in found.get_columns(name)]
            constraints = (*found.get_foreign_keys(name), *found.get_unique_constraints(name))
            made[name] = sorted(map(str, (*columns, found.get_pk_constraint(name), *constraints)))
    return made


@pytest.mark.long
@pytest.mark.parametrize("kind", BOTH)
def test_a_created_store_is_as_a_migrated_one(kind: str, cluster: Cluster, tmp_path: Path) -> None:
    files = (f"sqlite:///{tmp_path / name}" for name in ("created", "migrated"))
    urls = files if kind == "sqlite" else (cluster.url(cluster.create()) for _ in range(2))
    created, migrated = map(Store, urls)
    migration.upgrade(created)
    for step in ("0001", "head"):
        migration.upgrade(migrated, step)
    assert described(created) == described(migrated)
    assert revision(created) == revision(migrated) == NEWEST
    for each in (created, migrated):
        each.close()


@on_sqlite
def test_disabled_machines_are_found_by_their_index(store: Store, owner: Actor) -> None:
    with store.read() as transaction, query_plans(transaction) as plans:
        machines.disabled_of(transaction, owner.organization_id)
    assert "ix_machines_disabled" in plans[0]
