"""Database failures: changes are refused as a whole, the enforced state stays, and the service recovers by itself."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.model.desired import Desired
from appliance.model.errors import Unavailable
from appliance.model.policy import ANYONE, Action, Policy, Rule
from appliance.service import Context, accounts, deletion, log_in, machines, sessions
from appliance.service import policy as policies
from appliance.store import Store, engines, times
from appliance.store import organizations as stored
from appliance.store.database import sqlite_file
from tests.appliance.conftest import sign_up
from tests.appliance.databases import on_postgresql, on_sqlite
from tests.appliance.disks import fill, small_disk
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.postgres import Cluster
from tests.appliance.sites import make_store

DENIED = Policy(Action.DENY, (Rule("r", Action.DENY, ANYONE, ANYONE),))
ALLOWED = Policy(Action.ALLOW)


class Tenant:
    """An organization that denies everything, and checks of its state."""

    def __init__(self, context: Context, hub: FakeHub) -> None:
        self.context, self.hub = context, hub
        session, _ = accounts.sign_up(context, email="looks@example.net", password=PASSWORD, organization="bolt")
        self.token = session.token
        self.actor = sign_up(context, "owner@example.net")
        policies.save(context, self.actor, DENIED)

    def adds_rules(self, count: int) -> None:
        """Adds rules that deny, which the default does already."""
        for number in range(count):
            policies.add_rule(self.context, self.actor, Rule(f"r{number}", Action.DENY, ANYONE, ANYONE))

    def is_refused(self) -> None:
        """Checks that changes are refused, and the policy stays enforced."""
        before = dict(self.hub.enforced)
        with pytest.raises(Unavailable) as refused:
            policies.save(self.context, self.actor, ALLOWED)
        assert refused.value.retry_after
        with pytest.raises(Unavailable):
            machines.add(self.context, self.actor, name="mumbai")
        with pytest.raises(Unavailable):
            deletion.delete(self.context, self.actor, confirm="acme-networks")
        assert self.hub.enforced == before

    def goes_on(self) -> None:
        """Checks that the refused change is accepted now, and store and data plane agree."""
        name = f"machine {len(machines.page(self.context, self.actor)[0])}"
        machines.add(self.context, self.actor, name=name)
        with self.context.store.read() as transaction:
            state = stored.desired(transaction, self.actor.organization_id)
        assert state == self.hub.enforced[self.actor.organization_id]
        assert state is not None
        assert state.policy == DENIED


@on_postgresql
def test_changes_are_refused_while_the_server_is_gone(cluster: Cluster, context: Context, hub: FakeHub) -> None:
    tenant = Tenant(context, hub)
    cluster.stop()
    try:
        tenant.is_refused()
    finally:
        cluster.start()
    tenant.goes_on()


@on_postgresql
def test_a_server_lost_during_a_change_leaves_the_state_whole(cluster: Cluster, context: Context, hub: FakeHub) -> None:
    tenant = Tenant(context, hub)
    apply = hub.apply

    def lose(
        organization: str, desired: Desired | None, *, base: int, revision: int, before: Desired | None = None
    ) -> None:
        apply(organization, desired, base=base, revision=revision, before=before)
        cluster.stop()
        hub.apply = apply  # type: ignore[method-assign]

    hub.apply = lose  # type: ignore[method-assign]
    try:
        with pytest.raises(Unavailable):
            policies.save(context, tenant.actor, ALLOWED)
    finally:
        cluster.start()
    tenant.goes_on()


@on_sqlite
def test_changes_are_refused_while_the_database_is_locked(
    database: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "WAIT_FOR_WRITER_S", 0.05)
    file = sqlite_file(database)
    assert file is not None
    tenant = Tenant(Context(make_store(file), hub, "vpn.example.net:51820"), hub)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        tenant.is_refused()
    tenant.goes_on()
    tenant.context.store.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Provides a file system of four megabytes."""
    with small_disk(tmp_path, "4m") as folder:
        yield folder


@pytest.fixture
def tenant(disk: Path, hub: FakeHub) -> Iterator[Tenant]:
    """Provides an organization whose store is on the small disk."""
    store = make_store(disk / "store.sqlite")
    yield Tenant(Context(store, hub, "vpn.example.net:51820"), hub)
    store.close()


def test_changes_are_refused_while_the_disk_is_full(disk: Path, tenant: Tenant) -> None:
    filler = fill(disk)
    # What fits into pages that are there already is taken, and no more than that.
    with pytest.raises(Unavailable):
        tenant.adds_rules(200)
    tenant.is_refused()
    with pytest.raises(Unavailable):
        log_in.log_in(tenant.context, email="owner@example.net", password=PASSWORD)
    # Whoever is signed in can still look, although when he did can't be noted.
    later = replace(tenant.context, clock=lambda: times.now() + timedelta(hours=1))
    assert sessions.holder(later, tenant.token).email == "looks@example.net"
    assert machines.page(tenant.context, tenant.actor) == ([], None)
    filler.unlink()
    policies.save(tenant.context, tenant.actor, DENIED)
    tenant.goes_on()


@pytest.fixture
def moved(cluster: Cluster, template: str, tmp_path: Path, hub: FakeHub) -> Iterator[tuple[Path, Tenant]]:
    """Provides a file system of 32 megabytes, and an organization whose PostgreSQL has its tables there."""
    name = cluster.create(template)
    with small_disk(tmp_path, "32m") as folder:
        try:
            cluster.move(name, folder)
            store = Store(cluster.url(name))
            yield folder, Tenant(Context(store, hub, "vpn.example.net:51820"), hub)
            store.close()
        finally:
            cluster.drop_moved(name)


@pytest.mark.long
def test_changes_are_refused_while_postgresql_s_disk_is_full(moved: tuple[Path, Tenant], hub: FakeHub) -> None:
    disk, tenant = moved
    filler = fill(disk)
    with pytest.raises(Unavailable) as refused:
        tenant.adds_rules(500)
    assert refused.value.retry_after
    # What was refused is in neither; whoever only looks may.
    saved = policies.get(tenant.context, tenant.actor).policy
    assert saved == hub.enforced[tenant.actor.organization_id].policy
    assert 1 < len(saved.rules) < 500
    assert machines.page(tenant.context, tenant.actor) == ([], None)
    filler.unlink()
    policies.save(tenant.context, tenant.actor, DENIED)
    tenant.goes_on()


def test_changes_are_refused_on_a_read_only_file_system(disk: Path, tenant: Tenant) -> None:
    tenant.context.store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    tenant.is_refused()
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    tenant.goes_on()
