"""How each database is connected to."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

WRITES = "meshwg_writes"
"""Execution option of a connection whose transactions write."""

_WAIT_FOR_WRITER = 10.0
_WAIT_FOR_SERVER = 5


def postgresql(url: str) -> Engine:
    """Connections to a PostgreSQL server."""
    engine = create_engine(
        url,
        pool_size=16,
        max_overflow=48,
        hide_parameters=True,
        # A server that was started again is met with connections that are open, not with those that it has closed.
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _WAIT_FOR_SERVER,
            "options": f"-c lock_timeout={_WAIT_FOR_WRITER:.0f}s",
            # A server that vanished without a word is given up after some ten seconds, not after hours (tcp(7)).
            "keepalives_idle": _WAIT_FOR_SERVER,
            "keepalives_interval": 1,
            "keepalives_count": 5,
            "tcp_user_timeout": 10_000,
        },
    )

    @event.listens_for(engine, "handle_error")
    def _shorten(context: ExceptionContext) -> None:
        # The lines after the first tell of the whole row that was refused, and an error's text goes to the log.
        for error in (context.original_exception, context.sqlalchemy_exception):
            if error is not None and error.args:
                error.args = (str(error.args[0]).partition("\n")[0], *error.args[1:])

    return engine


def sqlite(url: str) -> Engine:
    """Connections to a file; those that say that they write (`WRITES`) get the file for themselves at once."""
    engine = create_engine(
        url,
        pool_size=16,
        max_overflow=48,
        # An error's text goes to the log, and the parameters of a statement are nobody's business there.
        hide_parameters=True,
        connect_args={"timeout": _WAIT_FOR_WRITER},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        # The driver would begin transactions late and commit before DDL; BEGIN below is ours alone.
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            # A destroyed data key must not linger in free pages.
            "secure_delete = ON",
            # Another process writes the file, and root reads it: what lies in it is looked at before it is believed.
            "trusted_schema = OFF",
            "cell_size_check = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.set_authorizer(_refuse_statements_of_the_file)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and then writes could lose its place to another writer halfway.
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _refuse_statements_of_the_file(*step: int | str | None) -> int:
    """Refuse what a trigger or a view says: we make none, so one is somebody's who wrote the file by other means."""
    # The last of the five is the innermost trigger or view (sqlite3_set_authorizer).
    return sqlite3.SQLITE_OK if step[-1] is None else sqlite3.SQLITE_DENY
