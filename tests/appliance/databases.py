"""Choice of the databases that a test runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, event

BOTH = ("sqlite", "postgresql")
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""Mark of a test that makes sense on SQLite only."""
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
"""Mark of a test that makes sense on PostgreSQL only."""


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Runs a test on both databases, unless it is marked; for a folder's ``pytest_generate_tests``."""
    marked = any(mark.args[0] == "database" for mark in metafunc.definition.iter_markers("parametrize"))
    if "database" in metafunc.fixturenames and not marked:
        metafunc.parametrize("database", BOTH, indirect=True)


@contextmanager
def query_plans(transaction: Connection) -> Iterator[list[str]]:
    """Collects SQLite's plan of each statement of the block."""
    plans: list[str] = []

    def explain(connection: Connection, _: object, statement: str, parameters: object, *__: object) -> None:
        if not statement.startswith("EXPLAIN"):
            found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
            plans.append(str(found.all()))

    event.listen(transaction, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(transaction, "before_cursor_execute", explain)
