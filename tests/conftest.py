"""Each worker of a parallel run has a sandbox of its own, so that no test sees another's ports, links or processes."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Makes the folder of temporary files that the starter of the workers chose: in its sandbox, not in this one."""
    chosen = config.getoption("basetemp")
    if hasattr(config, "workerinput") and chosen is not None:
        Path(chosen).parent.mkdir(parents=True, exist_ok=True)
