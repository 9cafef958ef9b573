"""Fixtures: an invented host, whose mounts need a sandbox."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from netlab import sandbox
from tests.launcher.host import Host


@pytest.fixture(scope="session", autouse=True)
def _in_a_sandbox() -> None:
    if not sandbox.inside():
        pytest.fail(
            "the tests of the launcher need a sandbox: python -m netlab.sandbox -- python -m pytest tests/launcher",
            pytrace=False,
        )


@pytest.fixture
def shell() -> tuple[str, ...]:
    """Returns the strictest shell that this machine has."""
    dash = shutil.which("dash")
    return (dash,) if dash else ()


@pytest.fixture
def host(tmp_path: Path, shell: tuple[str, ...]) -> Host:
    """Makes a Debian host with a checkout, and with nothing installed."""
    return Host.make(tmp_path / "host", shell)
