"""A backup asks for room first: its copies leave running organizations what is kept of the store's disk."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from appliance.service import backup
from appliance.service.room import reserve
from appliance.store import Store
from appliance.store.size import disk_use
from tests.appliance.disks import small_disk
from tests.appliance.sealed import OLD, sealed_store


def _leave(folder: Path, store: Store, copies: float) -> None:
    """Leaves room for so many copies of the store beside what is kept."""
    found = disk_use(store)
    assert found.free is not None
    too_much = found.free - reserve(found) - int(copies * found.bytes)
    (folder / "filler").write_bytes(bytes(too_much))


@pytest.mark.parametrize(
    ("is_beside", "copies", "is_refused"),
    [(True, 1.5, True), (True, 3.0, False), (False, 0.5, True), (False, 2.0, False)],
)
def test_a_backup_leaves_what_is_kept(tmp_path: Path, is_beside: bool, copies: float, is_refused: bool) -> None:
    with small_disk(tmp_path, "128m") as disk:
        store = sealed_store(disk)
        try:
            _leave(disk, store, copies)
            target = (disk if is_beside else tmp_path) / "backup"
            with target.open("wb") as sealed:
                if is_refused:
                    with pytest.raises(OSError, match="would leave less than is kept") as caught:
                        backup.write(store, sealed, OLD)
                    assert caught.value.errno == errno.ENOSPC
                    assert sealed.tell() == 0
                else:
                    backup.write(store, sealed, OLD)
                    assert sealed.tell() > 0
        finally:
            store.close()
