"""Which databases a test runs on."""

from __future__ import annotations

import pytest

BOTH = ("sqlite", "postgresql")
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For a test that makes no sense elsewhere."""
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
"""For a test that makes no sense elsewhere."""


def wish(metafunc: pytest.Metafunc) -> None:
    """What a folder's ``pytest_generate_tests`` calls: its tests run on both, but for those that are marked."""
    marked = any(mark.args[0] == "database" for mark in metafunc.definition.iter_markers("parametrize"))
    if "database" in metafunc.fixturenames and not marked:
        metafunc.parametrize("database", BOTH, indirect=True)
