"""Plugins that a run loads."""

from __future__ import annotations

import pytest


def test_a_run_does_without_plugins_that_nothing_uses(pytestconfig: pytest.Config) -> None:
    assert not [name for name in ("anyio", "locust", "schemathesis") if pytestconfig.pluginmanager.has_plugin(name)]
