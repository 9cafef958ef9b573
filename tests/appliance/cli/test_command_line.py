"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

HARNESS_ONLY = ("httpx", "hypothesis", "locust", "playwright", "pytest", "securesystemslib", "xdist")

WITHOUT_HARNESS = f"""
import sys
for name in {HARNESS_ONLY!r}:
    sys.modules[name] = None
from appliance.cli.main import main
main()
"""


@pytest.mark.parametrize("command", ["up", "doctor", "status", "census", "gate", "transcript"])
def test_an_operator_without_the_harness_has_every_command(command: str) -> None:
    done = run_without_harness(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


@pytest.mark.parametrize("command", ["gate", "transcript verify", "transcript log verify", "transcript log list"])
def test_a_command_that_needs_the_harness_says_so(command: str) -> None:
    done = run_without_harness(*command.split())
    assert done.returncode == 69
    assert "./meshwg setup in a clone" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def run_without_harness(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line without the libraries that only the harness needs."""
    command = [sys.executable, "-c", WITHOUT_HARNESS, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("up", "alembic pyroute2 jinja2"),
        ("hub", "alembic jinja2"),
        ("web", "alembic pyroute2"),
        ("census", "alembic pyroute2 jinja2"),
        ("backup", "alembic pyroute2 jinja2"),
        ("restoring", "alembic pyroute2 jinja2"),
    ],
)
def test_a_command_loads_no_library_that_it_does_not_need(command: str, unneeded: str) -> None:
    code = f"import sys, appliance.cli.{command}; print(*(set({unneeded.split()}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "\n"
