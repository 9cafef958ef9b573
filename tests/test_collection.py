"""Modules and plugins that a run loads."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest


def _is_locked() -> bool:
    with Path(__file__).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


_WAS_LOCKED = _is_locked()


def test_a_module_is_loaded_by_one_worker_at_a_time() -> None:
    assert _WAS_LOCKED


def test_a_run_does_without_plugins_that_nothing_uses(pytestconfig: pytest.Config) -> None:
    assert not [name for name in ("anyio", "locust", "schemathesis") if pytestconfig.pluginmanager.has_plugin(name)]
