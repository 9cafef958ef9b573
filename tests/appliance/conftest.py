"""Fixtures: a store in a temporary folder, a fake hub, and an organization."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine

from appliance.hub.names import Names
from appliance.model.ids import new_instance_id
from appliance.service import Actor, Context, accounts, passwords
from appliance.store import Store, engines, migration
from appliance.store.database import sqlite_file
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub, noted_write
from tests.appliance.members import PASSWORD
from tests.appliance.postgres import Cluster
from tests.appliance.sites import make_store


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a password hash take a millisecond, except in `test_passwords`."""
    monkeypatch.setattr(passwords, "hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture(autouse=True)
def writers_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records write transactions, so that `FakeHub` refuses calls during one."""
    monkeypatch.setattr(Store, "write", noted_write)


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps what SQLAlchemy compiled for one SQLite store for all others, which most tests spend a quarter on."""
    with _compiled_once("sqlite", f"sqlite:///{tmp_path_factory.mktemp('engine') / 'first.sqlite'}"):
        yield


@contextmanager
def _compiled_once(kind: str, url: str) -> Iterator[None]:
    compiled: dict[Any, Any] = {}
    make: Callable[[str], Engine] = getattr(engines, kind)
    first = make(url)
    # The dialect, which is a part of each key, learns from its first connection what the database can do.
    with first.connect():
        pass
    first.dispose()

    def make_sharing(url: str) -> Engine:
        made = make(url)
        made.dialect = first.dialect
        made.update_execution_options(compiled_cache=compiled)
        return made

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engines, kind, make_sharing)
        yield


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Provides a running PostgreSQL server."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        # The web process runs as another user and needs the socket.
        Path(folder).chmod(0o755)
        made = Cluster(Path(folder) / "cluster")
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> Iterator[str]:
    """Makes a PostgreSQL database with the schema, and keeps what SQLAlchemy compiled for its copies."""
    name = cluster.create()
    with _compiled_once("postgresql", cluster.url(name)):
        store = Store(cluster.url(name))
        migration.upgrade(store)
        store.close()
        yield name


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Provides the URL of a new database: SQLite, unless the test is parametrized (`databases.parametrize`)."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.sqlite'}"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create(request.getfixturevalue("template"))
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """Provides a new store."""
    file = sqlite_file(database)
    made = Store(database) if file is None else make_store(file)
    yield made
    made.close()


@pytest.fixture
def names() -> Names:
    """Provides the kernel names of a new instance."""
    return Names(new_instance_id())


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def clock() -> WallClock:
    """Provides a clock, for what is to run by it."""
    return WallClock()


@pytest.fixture
def context(store: Store, hub: FakeHub) -> Context:
    return Context(store, hub, "vpn.example.net:51820")


@pytest.fixture
def owner(context: Context) -> Actor:
    """Provides the owner of a new organization."""
    return sign_up(context, "owner@example.net")


def sign_up(context: Context, email: str, network: str | None = None) -> Actor:
    """Signs up an organization; returns its owner."""
    session, _ = accounts.sign_up(
        context, email=email, password=PASSWORD, organization="acme-networks", network=network
    )
    return accounts.actor_of(context, session.token)
