"""Connections and transactions."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnection

from appliance.model.errors import Invalid, Unavailable
from appliance.store import engines
from appliance.users import User, file_access_as

# Writers wait meanwhile.
_WAIT_FOR_READERS = 0.5
_WAIT_FOR_TURN = 30.0
_RETRY_AFTER = 5


class Store:
    """The database behind a URL; safe to share between threads.

    Args:
        url: ``sqlite:////absolute/path`` or ``postgresql+psycopg://…``.
        owner: for a SQLite store in a folder of this user's: root reaches its files with no more than their rights, as
            long as a transaction lasts. What is done within one is done with them as well; code can't be loaded there.
    """

    def __init__(self, url: str, owner: User | None = None) -> None:
        self._url = make_url(url)
        self._owner = owner if self._url.get_backend_name() == "sqlite" else None
        is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = engines.sqlite(url) if is_sqlite else engines.postgresql(url)
        # One statement may see what another transaction committed after the one before it; these see one state.
        self._view: dict[str, Any] = (
            {} if is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        # SQLite takes one writer at a time, and has those that wait look again after longer and longer sleeps, up to a
        # tenth of a second. Those of this process wait for each other here, and are woken.
        self._turn = threading.Lock() if is_sqlite else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is written.

        Raises:
            Unavailable: the database does not answer, or refuses for now.
            Invalid: a text has a character that the database can't have.
        """
        with (
            _translated_errors(),
            file_access_as(self._owner),
            self._engine.connect().execution_options(**self._view) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends, and leaves no trace when it raises.

        Raises:
            Unavailable: as for `read`; or the disk is full, read-only, or others write for too long. Where the database
                was lost in the very moment of the commit, nobody knows whether it took place, and the text says so.
            Invalid: as for `read`.
        """
        with (
            _translated_errors(),
            self._taking_turns(),
            file_access_as(self._owner),
            self._engine.connect().execution_options(**{engines.WRITES: True}) as connection,
            connection.begin() as begun,
        ):
            yield connection
            with _committing():
                begun.commit()

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=_WAIT_FOR_TURN):
            raise _unavailable()
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def snapshot(self) -> Iterator[BinaryIO]:
        """A consistent copy of a SQLite store, while others go on reading and writing.

        The copy lies on the disk of the store, under no name: nobody else opens it, and nothing is left of it when this
        process is killed.

        Raises:
            sqlite3.Error, OSError: there is no room for it.
        """
        assert self._url.database is not None
        with file_access_as(self._owner):
            descriptor, name = tempfile.mkstemp(dir=Path(self._url.database).parent)
            with os.fdopen(descriptor, "rb") as content, closing(sqlite3.connect(name)) as copy:
                try:
                    # A journal would need the name, and an unfinished copy nobody wants back. It also opens the file.
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
        """The files of a SQLite store have nothing left of rows that were deleted before; PostgreSQL sees to its own.

        Pages that became free were overwritten with zeros (secure_delete), but what they held before is in the
        write-ahead log until that is written back and emptied.

        Returns:
            Whether it is so; not while somebody reads an older state.

        Raises:
            Unavailable: the files can't be written.
        """
        file = sqlite_file(str(self._url))
        if file is None:
            return True
        with (
            _translated_errors(),
            file_access_as(self._owner),
            closing(sqlite3.connect(file, timeout=_WAIT_FOR_READERS)) as connection,
        ):
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Gives the connections back."""
        with file_access_as(self._owner):
            self._engine.dispose()


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
    # SQLite's connections are prepared outside of SQLAlchemy's care.
    except (DBAPIError, NoConnection, sqlite3.OperationalError) as error:
        raise _unavailable() from error


@contextmanager
def _committing() -> Iterator[None]:
    """Say of a connection that was lost at the commit that nobody knows what came of it."""
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
