"""Migrations of stores with rows: each revision keeps what was there, and the product reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.store import Store, migration, organizations, overview
from appliance.web.api import ROUTES
from appliance.web.api.reply import PREFIX
from appliance.web.app import make_app
from tests.appliance.databases import BOTH
from tests.appliance.fakes import FakeHub
from tests.appliance.postgres import Cluster
from tests.appliance.sites import make_site
from tests.appliance.store.old_rows import SINGLE, Contents, OldStore, contents, tables_of, token_of
from tests.appliance.web.client import call

# Values that a revision changes on purpose: the revision, table and column, and what becomes of a value.
CHANGED: dict[tuple[str, str, str], Callable[[Any], Any]] = {
    ("0003", "organizations", "port"): lambda port: port - 31820,
}
# Calls that answer with a list, and its name if it has one.
LISTS = {
    "/sessions": "sessions",
    "/account/passkeys": "passkeys",
    "/members": "members",
    "/invitations": "invitations",
    "/factor-removals": "factor_removals",
    "/tokens": "tokens",
    "/machines": "machines",
    "/policy": "rules",
    "/policy/history": "versions",
    "/policy/expectations": None,
    "/audit": "entries",
}


@pytest.fixture(params=BOTH)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Provides a store without a schema."""
    if request.param == "sqlite":
        made = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
        yield made
        made.close()
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create()
    made = Store(cluster.url(name))
    yield made
    made.close()
    cluster.drop(name)


def assert_kept(revision: str, before: Contents, after: Contents) -> None:
    """Checks that each row is there with the values that it had."""
    assert before.keys() <= after.keys(), revision
    for table, rows in before.items():
        wanted = [
            {column: CHANGED.get((revision, table, column), _same)(value) for column, value in row.items()}
            for row in rows
        ]
        # In the order of the columns before.
        found = [{column: row[column] for column in rows[0]} for row in after[table]]
        missing = Counter(map(repr, wanted)) - Counter(map(repr, found))
        assert not missing, f"{revision} loses or changes rows of {table}"


def _same(value: Any) -> Any:
    return value


def test_each_migration_keeps_rows_that_the_product_reads(empty: Store) -> None:
    """Adds an organization with everything at each revision, and reads all of them by every call of the API."""
    old = OldStore()
    before: Contents = {}
    first, *others = reversed(migration.known_revisions())
    for revision in (first, *others):
        migration.upgrade(empty, revision)
        with empty.write() as transaction:
            tables = tables_of(transaction)
            assert_kept(revision, before, contents(transaction, tables))
            old.fill(transaction, tables)
            before = contents(transaction, tables)
    assert all(len(rows) > 1 for name, rows in before.items() if name not in SINGLE), "a table has no rows"
    assert_read(empty, old.sessions)


def assert_read(store: Store, sessions: list[int]) -> None:
    """Reads everything as hub, operator and members do."""
    with store.read() as transaction:
        ids = organizations.enforced_ids(transaction)
        states = [organizations.desired(transaction, each) for each in ids]
        assert len(overview.summaries(transaction)) == len(ids) == len(sessions)
    assert all(state is not None and state.peers and state.policy.rules for state in states)
    hub = FakeHub()
    app = make_app(make_site(store, hub), hub.status)
    for number in sessions:
        for row in ROUTES:
            if row.method == "GET" and not row.access.is_public and "{" not in row.path:
                answer = call(app, "GET", PREFIX + row.path, token=token_of(number))
                assert answer.status == 200, (row.path, answer.data)
                # The first organization has everything, from the revision on that knew it.
                if row.path in LISTS and number == sessions[0]:
                    name = LISTS[row.path]
                    assert answer.json if name is None else answer.json[name], row.path
