"""A store in a temporary folder, a fake data plane, and an organization in them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from appliance.service import Actor, Context, accounts, passwords
from appliance.store import Store, migration
from appliance.store.database import sqlite_file
from tests.appliance.fakes import FakeHub, noted_write
from tests.appliance.postgres import Cluster
from tests.appliance.sites import make_store


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed in a millisecond; those of `test_passwords` as the service hashes them."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture(autouse=True)
def writers_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake data plane notices a transaction that keeps others from writing while it works."""
    monkeypatch.setattr(Store, "write", noted_write)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL that runs."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        # The web process is another user, who has to get to the socket.
        Path(folder).chmod(0o755)
        made = Cluster(Path(folder) / "cluster")
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    """A database with the schema in it."""
    name = cluster.create()
    store = Store(cluster.url(name))
    migration.upgrade(store)
    store.close()
    return name


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database: SQLite, where a test or its folder has no other wish (`databases.wish`)."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.sqlite'}"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create(request.getfixturevalue("template"))
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """A new store."""
    file = sqlite_file(database)
    made = Store(database) if file is None else make_store(file)
    yield made
    made.close()


@pytest.fixture
def hub() -> FakeHub:
    """A data plane that only remembers."""
    return FakeHub()


@pytest.fixture
def context(store: Store, hub: FakeHub) -> Context:
    """What use cases work with."""
    return Context(store, hub, "vpn.example.net", 51820)


@pytest.fixture
def owner(context: Context) -> Actor:
    """The owner of an organization that was just signed up."""
    return sign_up(context, "owner@example.net")


def sign_up(context: Context, email: str, network: str | None = None) -> Actor:
    """Signs an organization up, and gives its owner."""
    session, _ = accounts.sign_up(
        context, email=email, password="correct horse battery", organization="acme-networks", network=network
    )
    return accounts.actor_of(context, session.token)
