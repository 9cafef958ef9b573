"""Fixtures: logs that tests copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.log.folder import RunLog
from tests.reports.log.samples import filled, log_in


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Makes a log once for each number of runs; tests copy it."""
    made: dict[int, Path] = {}

    def find(runs: int) -> Path:
        if runs not in made:
            made[runs] = tmp_path_factory.mktemp("kept")
            filled(made[runs], runs)
        return made[runs]

    return find


@pytest.fixture
def log(tmp_path: Path, kept: Callable[[int], Path]) -> RunLog:
    """Provides a log of three runs."""
    shutil.copytree(kept(3), tmp_path, dirs_exist_ok=True)
    return log_in(tmp_path)
