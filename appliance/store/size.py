"""Size of the database, and what is left of its disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from appliance.model.errors import Unavailable
from appliance.store.database import Store

_BESIDE = ("-wal", "-shm")


@dataclass(frozen=True)
class DiskUse:
    """Size of the database, and of the disk that it is on.

    Attributes:
        bytes: of the database; those of a SQLite file with its write-ahead log.
        free: bytes of the disk that its owner may still fill; None for PostgreSQL, whose disk is the server's.
        whole: size of the disk; None for PostgreSQL.
        reusable: bytes of the database that nothing is in; a SQLite file does not shrink.
    """

    bytes: int
    free: int | None = None
    whole: int | None = None
    reusable: int = 0


def disk_use(store: Store) -> DiskUse:
    """Measure the database.

    Raises:
        Unavailable: the database does not answer, or its file is gone.
    """
    if store.file is None:
        # Source: PostgreSQL, 9.28.7.
        return DiskUse(_ask(store, "SELECT pg_database_size(current_database())"))
    try:
        # First: whoever reads a file that is gone makes another one.
        size = store.file.stat().st_size + sum(_size_of(Path(f"{store.file}{each}")) for each in _BESIDE)
        disk = os.statvfs(store.file.parent)
    except OSError as error:
        raise Unavailable("The store's file is not there.") from error
    # Source: sqlite.org/pragma.html#pragma_freelist_count.
    empty = _ask(store, "SELECT freelist_count * page_size FROM pragma_freelist_count(), pragma_page_size()")
    return DiskUse(size, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, empty)


def _ask(store: Store, query: str) -> int:
    with store.read() as transaction:
        return int(transaction.execute(text(query)).scalar_one())


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
