"""Choice of the databases that a test runs on."""

from __future__ import annotations

import pytest

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
