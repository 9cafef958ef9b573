"""Ids of audit entries reveal nothing about other organizations; questions about a time read only its entries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from appliance.model.errors import Invalid
from appliance.service import Actor, Context, machines, organizations
from appliance.store import Store, audit, migration, schema, times, unused
from appliance.store.revision import revision
from tests.appliance.conftest import sign_up
from tests.appliance.databases import on_sqlite, query_plans
from tests.appliance.postgres import Cluster


def test_audit_ids_are_random_and_useless_to_other_organizations(context: Context, owner: Actor) -> None:
    other = sign_up(context, "other@example.net")
    machines.add(context, owner, name="one")
    entries, _ = organizations.trail(context, owner)
    assert len({entry.id for entry in entries}) == len(entries) > 1
    assert not any(entry.id.isdigit() for entry in entries)
    assert organizations.trail(context, owner, before=entries[0].id)[0] == entries[1:]
    (theirs, *_), _ = organizations.trail(context, other)
    with context.store.read() as transaction:
        numbers = transaction.execute(schema.audit.select().with_only_columns(schema.audit.c.id)).scalars().all()
    # Starting at another organization's entry or at the store's number would reveal others' activity.
    for start in (theirs.id, *map(str, numbers), "x"):
        with pytest.raises(Invalid):
            organizations.trail(context, owner, before=start)


@on_sqlite
def test_questions_about_times_do_not_read_the_whole_trail(store: Store, owner: Actor) -> None:
    """Looks at what is asked in a write transaction, while all other writers wait."""
    now, organization = times.now(), owner.organization_id
    with store.read() as transaction, query_plans(transaction) as plans:
        audit.count_since(transaction, organization, owner.email, ("password.changed",), now - timedelta(hours=1), now)
        audit.latest_moment(transaction, organization)
        unused.is_unused(transaction, organization, now)
    assert len(plans) == 3
    assert all("ix_audit_organization_id_at" in plan for plan in plans)


@on_sqlite
def test_repairs_are_found_by_their_index(store: Store, owner: Actor) -> None:
    """Looks at what a page of every member asks, however long the trail is."""
    with store.read() as transaction, query_plans(transaction) as plans:
        audit.latest_repairs(transaction, owner.organization_id, 20)
    assert len(plans) == 1
    assert "ix_audit_repairs" in plans[0]


def test_repairs_are_listed_newest_first_without_other_entries(store: Store, owner: Actor) -> None:
    with store.write() as transaction:
        for number in range(3):
            for action in (audit.MENDED, "policy.saved"):
                audit.record(transaction, owner.organization_id, "hub", action, {"number": number}, times.now())
        found = audit.latest_repairs(transaction, owner.organization_id, 2)
    assert [(entry.action, entry.detail["number"]) for entry in found] == [(audit.MENDED, 2), (audit.MENDED, 1)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_migration_gives_ids_to_older_entries(
    kind: str, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster
) -> None:
    name = cluster.create() if kind == "postgresql" else ""
    file = tmp_path_factory.mktemp("store") / "store.sqlite"
    store = Store(cluster.url(name) if name else f"sqlite:///{file}")
    try:
        migration.upgrade(store, to="0016")
        with store.write() as transaction:
            transaction.execute(
                text(
                    "INSERT INTO organizations (id, name, network, port, hub_public_key, sealed_data_key, "
                    "sealed_private_key, plan, policy_default, policy_version, active, created_at) "
                    "VALUES ('o', 'o', '10.0.0.0/8', 1, 'k', 'k', 'k', 'free', 'allow', 1, true, 0)"
                )
            )
            for number in range(3):
                entry = "INSERT INTO audit (organization_id, at, actor, action, detail) "
                entry += "VALUES ('o', :number, 'a', 'policy.saved', '{}')"
                transaction.execute(text(entry), {"number": number})
        migration.upgrade(store)
        assert revision(store) == migration.known_revisions()[0]
        with store.read() as transaction:
            rows = transaction.execute(schema.audit.select().order_by(schema.audit.c.id)).all()
        assert [row.at for row in rows] == [0, 1, 2]
        assert len({row.name for row in rows}) == 3
        assert all(len(row.name) == 16 for row in rows)
    finally:
        store.close()
        if name:
            cluster.drop(name)
