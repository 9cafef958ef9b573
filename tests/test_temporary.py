"""Temporary files of a run."""

from __future__ import annotations

import pytest


def test_other_runs_leave_the_temporary_files_of_this_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Checks for pytest's lock: a pytest that a test starts would remove a folder without one."""
    chosen = tmp_path_factory.getbasetemp()
    assert any((folder / ".lock").exists() for folder in (chosen, chosen.parent))
