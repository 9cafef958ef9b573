"""Database engines with their connection settings."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

WAIT_FOR_WRITER_S = 10.0
"""Seconds that a transaction waits for one of another process."""

MOST_IDLE_S = 3.0
"""Seconds after which PostgreSQL ends a writing transaction whose process says nothing.

A process that is stopped, or whose host is gone, would keep its locks for hours otherwise, and with them a change of
the same organization, or the next owner of its shard.
"""

# Seconds for a new connection, and seconds after which a server that acknowledges nothing any more is given up. When
# the server's host is gone, a thread meets both, one after the other, and its process has ten seconds for its end.
_WAIT_FOR_SERVER = 5
_GONE_AFTER_S = 4

# Seconds after which the server in turn gives up a client whose host is gone. It would keep the session for hours, and
# have no room for those of the hosts that are there (PostgreSQL's `max_connections`).
_CLIENT_GONE_AFTER_S = 10


def postgresql(url: str) -> Engine:
    """Engine for a PostgreSQL server."""
    settings = {
        "lock_timeout": f"{WAIT_FOR_WRITER_S:.0f}s",
        "tcp_keepalives_idle": _CLIENT_GONE_AFTER_S // 2,
        "tcp_keepalives_interval": 1,
        "tcp_keepalives_count": _CLIENT_GONE_AFTER_S // 2,
        "tcp_user_timeout": f"{_CLIENT_GONE_AFTER_S}s",
    }
    engine = create_engine(
        url,
        pool_size=16,
        max_overflow=48,
        hide_parameters=True,
        # Replaces connections that a restarted server has closed.
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _WAIT_FOR_SERVER,
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            # Not after hours, as by default (tcp(7)).
            "keepalives_idle": _GONE_AFTER_S // 2,
            "keepalives_interval": 1,
            "keepalives_count": _GONE_AFTER_S // 2,
            "tcp_user_timeout": 1000 * _GONE_AFTER_S,
        },
    )

    @event.listens_for(engine, "handle_error")
    def _shorten(context: ExceptionContext) -> None:
        # Error texts are logged, and the lines after the first quote the whole row.
        for error in (context.original_exception, context.sqlalchemy_exception):
            if error is not None and error.args:
                error.args = (str(error.args[0]).partition("\n")[0], *error.args[1:])

    return engine


def begin_writing(connection: Connection) -> None:
    """Limit how long the transaction of a connection to PostgreSQL, which has begun, may keep its locks idly."""
    connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{MOST_IDLE_S * 1000:.0f}ms'")


def sqlite(url: str) -> Engine:
    """Engine for a SQLite file; its transactions begin with `begin_sqlite`."""
    engine = create_engine(
        url,
        pool_size=16,
        max_overflow=48,
        # A connection's pages are out of date once another one has written. So the one that was used last comes next.
        pool_use_lifo=True,
        # Error texts are logged, and parameters may be secret.
        hide_parameters=True,
        connect_args={"timeout": WAIT_FOR_WRITER_S},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        # Otherwise the driver begins transactions late and commits before DDL. `begin_sqlite` does it instead.
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            # A destroyed data key must not linger in free pages.
            "secure_delete = ON",
            # Root reads the file, which another user's process may have changed.
            "trusted_schema = OFF",
            "cell_size_check = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.set_authorizer(_refuse_triggers_and_views)

    return engine


def begin_sqlite(connection: Connection, *, writes: bool) -> None:
    """Begin the transaction of a connection to a SQLite file.

    Args:
        writes: lock the file for writing from the start. Otherwise, a transaction fails if another one writes between
            its first read and its first write.
    """
    # Directly, because with a listener of any event SQLAlchemy does more for each statement.
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def _refuse_triggers_and_views(*step: int | str | None) -> int:
    """Refuse statements of triggers and views: the schema has none, so they are an attacker's."""
    # The last of the five arguments is the innermost trigger or view (sqlite3_set_authorizer).
    return sqlite3.SQLITE_OK if step[-1] is None else sqlite3.SQLITE_DENY
