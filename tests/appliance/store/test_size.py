"""Size of the store and of its disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.model.errors import Unavailable
from appliance.store import Store
from appliance.store.size import disk_use
from tests.appliance.databases import on_postgresql
from tests.appliance.disks import fill, small_disk
from tests.appliance.sites import make_store


def test_a_disk_that_fills_is_measured(tmp_path: Path) -> None:
    with small_disk(tmp_path, "4m") as folder:
        store = make_store(folder / "store.sqlite")
        with store.write() as transaction:
            transaction.exec_driver_sql("CREATE TABLE large (content BLOB)")
            transaction.exec_driver_sql("INSERT INTO large VALUES (zeroblob(1000000))")
        found = disk_use(store)
        # It is in the log, and not in the file yet.
        assert store.file is not None
        assert found.bytes > 1_000_000 + store.file.stat().st_size
        assert found.whole == 4 << 20
        assert found.free is not None
        assert 0 < found.free < 4 << 20
        fill(folder)
        assert disk_use(store).free == 0
        store.close()


def test_a_store_without_its_file_is_unavailable(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.sqlite")
    (tmp_path / "store.sqlite").unlink()
    with pytest.raises(Unavailable):
        disk_use(store)


@on_postgresql
def test_a_server_tells_the_size_of_its_database_alone(store: Store) -> None:
    found = disk_use(store)
    assert found.bytes > 1_000_000
    assert (found.free, found.whole) == (None, None)
