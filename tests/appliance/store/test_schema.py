"""Properties of every table, also of tables that are added later."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import ForeignKey, delete

from appliance.service import Actor
from appliance.store import Store, schema
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
