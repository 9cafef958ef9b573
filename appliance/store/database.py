"""Database connections and transactions."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, Transaction
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnection

from appliance.model.errors import Invalid, Unavailable
from appliance.store import engines, shards
from appliance.store.shards import Fence
from appliance.users import User, file_access_as

WAIT_FOR_TURN_S = 30.0
"""Seconds that a writer waits for the others of this process."""

# Short, because writers wait meanwhile.
_WAIT_FOR_READERS = 0.5
_RETRY_AFTER = 5


class Store:
    """A database, which threads can share.

    Args:
        url: ``sqlite:////absolute/path`` or ``postgresql+psycopg://…``.
        owner: owner of a SQLite store's folder. Root accesses files with this user's rights during a transaction, also
            files that the block of the transaction opens; importing modules may fail there.

    Attributes:
        is_sqlite: the database is a SQLite file, not PostgreSQL's.
        file: the SQLite file; None for any other database.
        fence: owner of a shard for whom this process writes; None where there is one hub.
    """

    def __init__(self, url: str, owner: User | None = None) -> None:
        self._url = make_url(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.file = sqlite_file(url)
        self.fence: Fence | None = None
        self._owner = owner if self.is_sqlite else None
        self._engine = engines.sqlite(url) if self.is_sqlite else engines.postgresql(url)
        # SQLite has one writer at a time, and waiting writers poll with sleeps of up to 0.1 s. A lock wakes the next
        # writer of this process at once.
        self._turn = threading.Lock() if self.is_sqlite else None

    @property
    def shard(self) -> str | None:
        """Shard for which this process writes; None where there is one hub."""
        return None if self.fence is None else self.fence.shard

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run a read-only transaction that sees one consistent state.

        Raises:
            Unavailable: the database does not answer, or refuses for now.
            Invalid: a text has a character that the database can't store.
        """
        with (
            _translated_errors(),
            file_access_as(self._owner),
            self._engine.connect() as connection,
            self._begun(connection, writes=False),
        ):
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run a transaction that commits when the block ends, and rolls back when it raises.

        Raises:
            Unavailable: the database does not answer, or refuses for now; or the disk is full or read-only, or other
                writers take too long. If the connection was lost during the commit, its outcome is unknown, and the
                text says so.
            Fenced: the shard has a later owner than this process writes for.
            Invalid: a text has a character that the database can't store.
        """
        with (
            _translated_errors(),
            self._taking_turns(),
            file_access_as(self._owner),
            self._engine.connect() as connection,
            self._begun(connection, writes=True) as begun,
        ):
            yield connection
            # Last, so that the next owner waits for the commit alone.
            if self.fence is not None:
                shards.check(connection, self.fence)
            with _committing():
                begun.commit()

    def _begun(self, connection: Connection, *, writes: bool) -> Transaction:
        if not self.is_sqlite and not writes:
            # By default, each statement of a transaction sees what others committed before it.
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        begun = connection.begin()
        if self.is_sqlite:
            engines.begin_sqlite(connection, writes=writes)
        elif writes:
            engines.begin_writing(connection)
        return begun

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=WAIT_FOR_TURN_S):
            raise _unavailable()
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def snapshot(self) -> Iterator[BinaryIO]:
        """Make a consistent copy of a SQLite store, while others read and write.

        The copy is an unlinked file in the store's folder, so nobody else can open it, and a killed process leaves
        nothing.

        Raises:
            sqlite3.Error, OSError: the copy could not be written, for example on a full disk.
        """
        assert self.file is not None
        with file_access_as(self._owner):
            descriptor, name = tempfile.mkstemp(dir=self.file.parent)
            with os.fdopen(descriptor, "rb") as content, closing(sqlite3.connect(name)) as copy:
                try:
                    # A journal would need the file's name, and a broken copy is not needed. Reading opens the file.
                    copy.execute("PRAGMA journal_mode = OFF")
                    copy.execute("PRAGMA schema_version").fetchall()
                finally:
                    Path(name).unlink()
                with self._engine.connect() as connection:
                    source = connection.connection.driver_connection
                    assert isinstance(source, sqlite3.Connection)
                    source.backup(copy)
                yield content

    def scrub(self) -> bool:
        """Remove deleted rows from the files of a SQLite store; nothing is done for PostgreSQL.

        Freed pages are overwritten with zeros (secure_delete), but the write-ahead log keeps older versions of them
        until it is written back and truncated.

        Returns:
            False if a reader of an older state prevented it.

        Raises:
            Unavailable: the files can't be written.
        """
        if self.file is None:
            return True
        with (
            _translated_errors(),
            file_access_as(self._owner),
            closing(sqlite3.connect(self.file, timeout=_WAIT_FOR_READERS)) as connection,
        ):
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        with file_access_as(self._owner):
            self._engine.dispose()


def staging_of(file: Path) -> Path:
    """Folder in which a restore makes this file's folder; a restore that is killed leaves it."""
    return file.parent.with_name(f"{file.parent.name}.restoring")


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite store; None for any other database."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Translate driver errors into `Unavailable` or `Invalid`; programming errors pass unchanged."""
    try:
        yield
    except (IntegrityError, ProgrammingError):
        raise
    except DataError as error:
        raise Invalid("The input has a character or a number that can't be stored.") from error
    # SQLite's connections are prepared in a listener, whose errors SQLAlchemy doesn't wrap.
    except (DBAPIError, NoConnection, sqlite3.OperationalError) as error:
        raise _unavailable() from error


@contextmanager
def _committing() -> Iterator[None]:
    """Translate a connection lost during the commit into `Unavailable` with a text that the outcome is unknown."""
    try:
        yield
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Unavailable(
            "The store was lost while it saved this. Look whether it was done before you repeat it.",
            retry_after=_RETRY_AFTER,
        ) from error


def _unavailable() -> Unavailable:
    return Unavailable("The store can't be used for now; nothing was changed.", retry_after=_RETRY_AFTER)
