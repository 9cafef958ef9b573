"""The store as a whole: revisions, snapshots, transactions, errors."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from appliance.model.errors import Invalid, Unavailable
from appliance.model.organization import Plan
from appliance.service import Actor
from appliance.store import Store, audit, engines, organizations, people, schema, times
from appliance.store.database import sqlite_file
from appliance.store.migration import known_revisions, upgrade
from appliance.store.revision import NEWEST, revision
from tests.appliance.databases import on_postgresql, on_sqlite


def test_a_migration_sets_the_newest_revision(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'new.sqlite'}")
    assert revision(store) is None
    upgrade(store)
    assert revision(store) == known_revisions()[0] == NEWEST
    store.close()


def test_only_sqlite_has_a_file() -> None:
    assert sqlite_file("sqlite:////var/lib/x.sqlite") == Path("/var/lib/x.sqlite")
    assert sqlite_file("postgresql+psycopg://localhost/meshwg") is None
    assert sqlite_file("sqlite://") is None


@on_sqlite
def test_a_snapshot_is_a_complete_store_and_leaves_no_file(store: Store, owner: Actor, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    copy = tmp_path / "copy.sqlite"
    with store.snapshot() as content:
        assert set(tmp_path.iterdir()) == before
        copy.write_bytes(content.read())
    copied = Store(f"sqlite:///{copy}")
    with copied.read() as transaction:
        assert organizations.find(transaction, owner.organization_id) is not None
    copied.close()


@on_sqlite
def test_a_snapshot_during_writes_has_whole_transactions(store: Store, owner: Actor, tmp_path: Path) -> None:
    """Writes two entries in every transaction, so a copy with an odd number of them has half a transaction."""
    stopped, begun = threading.Event(), threading.Event()

    def write() -> None:
        while not stopped.is_set():
            with store.write() as transaction:
                for _ in range(2):
                    audit.record(transaction, owner.organization_id, "x", "pair", {"x": "y" * 5000}, times.now())
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(10)
        for number in range(20):
            copy = tmp_path / f"{number}.sqlite"
            with store.snapshot() as content:
                copy.write_bytes(content.read())
            with closing(sqlite3.connect(copy)) as connection:
                (count,) = connection.execute("SELECT count(*) FROM audit WHERE action = 'pair'").fetchone()
                assert count
                assert count % 2 == 0
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        stopped.set()
        writer.join()


def test_writers_of_a_process_queue_outside_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "WAIT_FOR_WRITER_S", 0.0)
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    upgrade(store)
    with store.write() as transaction:
        transaction.exec_driver_sql("CREATE TABLE turns (number INTEGER)")

    def write(number: int) -> None:
        with store.write() as transaction:
            transaction.exec_driver_sql("INSERT INTO turns VALUES (?)", (number,))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    with store.read() as transaction:
        assert transaction.exec_driver_sql("SELECT count(*) FROM turns").scalar_one() == 200
    store.close()


def test_a_reader_sees_one_state_while_others_commit(store: Store, owner: Actor) -> None:
    with store.read() as reading:
        before = organizations.find(reading, owner.organization_id)
        with store.write() as transaction:
            organizations.change(transaction, owner.organization_id, name="another", plan=Plan.PAID)
        assert organizations.find(reading, owner.organization_id) == before
    with store.read() as reading:
        after = organizations.find(reading, owner.organization_id)
    assert after is not None
    assert after.name == "another"


@on_sqlite
def test_a_transaction_reuses_the_connection_used_last(store: Store) -> None:
    """Reuses the connection of the last change: its cache is up to date, those of others are not."""
    with store.read() as outer, store.read():
        last = outer.connection.driver_connection
    for _ in range(2):
        with store.read() as transaction:
            assert transaction.connection.driver_connection is last


@on_postgresql
def test_a_read_transaction_can_t_write(store: Store, owner: Actor) -> None:
    with pytest.raises(Unavailable), store.read() as transaction:
        organizations.revise(transaction, owner.organization_id, 1)


@on_postgresql
def test_a_character_unknown_to_the_database_is_invalid_input(store: Store) -> None:
    with pytest.raises(Invalid), store.read() as transaction:
        people.by_email(transaction, "a\0@example.net")


def test_error_texts_have_no_values(store: Store, owner: Actor) -> None:
    with pytest.raises(SQLAlchemyError) as failed, store.write() as transaction:
        transaction.execute(schema.members.insert().values(id="one", password_hash="argon2-of-something"))
    assert "argon2-of-something" not in str(failed.value)
    assert owner.member_id not in str(failed.value)
