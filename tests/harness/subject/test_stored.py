"""A service's store, opened by the harness."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from harness.subject.options import ServiceOptions
from harness.subject.service import Service
from netlab import Lab


def test_a_change_of_the_store_is_kept_and_leaves_no_open_file() -> None:
    """An open file would be an open connection, whose locks fail in a fork: forks close the files that they inherit."""
    with Lab() as lab:
        service = Service(lab.host("hub"), ServiceOptions("192.0.2.1"))
        file = service.data / "store" / "meshwg.sqlite"
        file.parent.mkdir(parents=True)
        with closing(sqlite3.connect(file)) as store:
            store.execute("PRAGMA journal_mode = WAL")
            store.execute("CREATE TABLE things (name TEXT)")
        with service.stored() as changed:
            changed.exec_driver_sql("INSERT INTO things VALUES ('kept')")
            assert _open_files(file)
        assert not _open_files(file)
        with pytest.raises(DatabaseError), service.stored() as undone:
            undone.exec_driver_sql("INSERT INTO things SELECT 'undone' UNION SELECT abs(-9223372036854775808)")
        assert not _open_files(file)
        with closing(sqlite3.connect(file)) as store:
            assert store.execute("SELECT name FROM things").fetchall() == [("kept",)]


def _open_files(store: Path) -> list[Path]:
    """Returns the files of a store that this process has open, with its log and its index."""
    opened = [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return [each for each in opened if each.parent == store.parent]
