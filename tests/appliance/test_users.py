"""Access to files as another user holds for one thread and one block, without root's rights."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update

from appliance.model.errors import Unavailable
from appliance.store import Store, instance, migration, schema
from appliance.store.instance import Instance
from appliance.users import User, file_access_as, owner_of
from appliance.vault import Lock, Vault, WrongSecret
from tests.appliance.sites import make_store

WEB = User(64217, 64217)
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="root alone acts as somebody else")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Provides a folder of the web user, below folders that it may pass through."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o011 != 0o011 and folder != Path("/"):
            folder.chmod(0o755)
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, WEB.uid, WEB.gid)
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_text("root's own")
    return file


@ROOT
def test_a_link_to_a_file_of_root_can_t_be_read(theirs: Path, secret: Path) -> None:
    link = theirs / "link"
    link.symlink_to(secret)
    assert link.read_text() == "root's own"
    with file_access_as(WEB):
        with pytest.raises(PermissionError):
            link.read_text()
        with pytest.raises(PermissionError):
            os.chown(link, WEB.uid, WEB.gid)
        (theirs / "made").touch()
    assert owner_of(theirs / "made") == WEB
    assert link.read_text() == "root's own"


@ROOT
def test_other_threads_and_later_code_keep_root_s_rights(theirs: Path, secret: Path) -> None:
    link = theirs / "link"
    link.symlink_to(secret)
    read: list[str] = []
    inside = threading.Event()

    def read_link() -> None:
        inside.wait(10)
        read.append(link.read_text())

    def fail() -> None:
        with file_access_as(WEB):
            inside.set()
            other.join(10)
            with file_access_as(WEB):
                pass
            link.read_text()

    other = threading.Thread(target=read_link)
    other.start()
    with pytest.raises(PermissionError):
        fail()
    assert (read, link.read_text()) == (["root's own"], "root's own")


@ROOT
@pytest.mark.parametrize("name", ["meshwg.sqlite", "meshwg.sqlite-wal", "meshwg.sqlite-journal", "meshwg.sqlite-shm"])
@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_link_in_a_store_s_place_reaches_no_file_of_root(theirs: Path, tmp_path: Path, name: str, kind: str) -> None:
    kept = tmp_path / "kept.sqlite"
    make_store(kept).close()
    kept.chmod(0o600)
    before = (kept.read_bytes(), kept.stat().st_uid, kept.stat().st_mode)
    if not name.endswith("sqlite"):
        with file_access_as(WEB):
            make_store(theirs / "meshwg.sqlite").close()
    if kind == "symbolic":
        (theirs / name).symlink_to(kept)
    else:
        os.link(kept, theirs / name)
    store = Store(f"sqlite:///{theirs / 'meshwg.sqlite'}", WEB)
    try:
        with store.write() as transaction:
            instance.create(transaction, Instance("abc", Lock(b"salt", 2, 1, 1, b"proof")))
    except Unavailable:
        pass
    finally:
        store.close()
    assert (kept.read_bytes(), kept.stat().st_uid, kept.stat().st_mode) == before
    # The control: with root's rights the link is followed.
    if (name, kind) == ("meshwg.sqlite", "symbolic"):
        store = Store(f"sqlite:///{theirs / name}")
        with store.write() as transaction:
            instance.create(transaction, Instance("abc", Lock(b"salt", 2, 1, 1, b"proof")))
        store.close()
        assert kept.read_bytes() != before[0]


@ROOT
def test_all_files_of_a_store_belong_to_its_owner(theirs: Path) -> None:
    store = Store(f"sqlite:///{theirs / 'meshwg.sqlite'}", WEB)
    migration.upgrade(store)
    with store.write() as transaction:
        instance.create(transaction, Instance("abc", Lock(b"salt", 2, 1, 1, b"proof")))
    with store.snapshot():
        pass
    assert {path.name for path in theirs.iterdir()} == {f"meshwg.sqlite{end}" for end in ("", "-wal", "-shm")}
    assert {owner_of(path) for path in theirs.iterdir()} == {WEB}
    store.close()
    assert [path.name for path in theirs.iterdir()] == ["meshwg.sqlite"]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON instance BEGIN UPDATE instance SET port = 53; END",
        "ALTER TABLE instance RENAME TO hidden; CREATE VIEW instance AS SELECT * FROM hidden",
    ],
)
def test_a_store_with_a_trigger_or_a_view_is_refused(tmp_path: Path, statement: str) -> None:
    file = tmp_path / "store.sqlite"
    make_store(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(statement)
    store = Store(f"sqlite:///{file}")

    def use() -> None:
        with store.write() as transaction:
            instance.create(transaction, Instance("abc", Lock(b"salt", 2, 1, 1, b"proof")))
            instance.find(transaction)

    with pytest.raises(Unavailable):
        use()
    store.close()


@pytest.mark.parametrize(("name", "value"), [("id", "../"), ("id", "abcd"), ("port", 0), ("port", 65536)])
def test_an_instance_with_an_invalid_id_or_port_is_refused(tmp_path: Path, name: str, value: object) -> None:
    store = make_store(tmp_path / "store.sqlite")
    with store.write() as transaction:
        instance.create(transaction, Instance("abc", Lock(b"salt", 2, 1, 1, b"proof")))
        instance.find(transaction)
    with store.write() as transaction:
        transaction.execute(update(schema.instance).values({name: value}))
    with pytest.raises(Unavailable), store.read() as transaction:
        instance.find(transaction)
    store.close()


def test_a_lock_that_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(WrongSecret):
        Vault.open("a secret that nobody guesses", Lock(b"salt" * 4, 2**40, 8, 1, b"proof"))
