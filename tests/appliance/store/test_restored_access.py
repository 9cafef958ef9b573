"""A restore ends all temporary access, also in tables that are added later."""

from __future__ import annotations

from appliance.service import Actor
from appliance.store import Store, restored_access, schema
from tests.appliance.rows import everything, fill

KEPT = {"api_tokens"}
"""Tables that the operator sees listed before the restore, and that it keeps."""


def test_a_restore_ends_all_temporary_access(store: Store, owner: Actor) -> None:
    temporary = {
        table.name
        for table in schema.metadata.sorted_tables
        if {"expires_at", "token_hash"} & set(table.c.keys()) and table.name not in KEPT
    }
    assert temporary <= {table.name for table in restored_access.ENDED}
    with store.write() as transaction:
        filled = set(fill(transaction, owner.organization_id, owner.member_id))
        before = everything(transaction)
        ended = restored_access.end_access(transaction)
        after = everything(transaction)
    names = {table.name for table in restored_access.ENDED}
    assert ended == sum(len(before[name]) for name in names)
    assert not any(after[name] for name in (*names, "mail"))
    assert all(after[name] == before[name] for name in filled - names - {"mail"})
