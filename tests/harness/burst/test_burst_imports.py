"""Only the locustfile imports locust, which makes a program one of greenlets."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = (
    "harness.cli.commands.burst",
    "harness.cli.commands.everything",
    "harness.gate.plugin",
    "harness.bench.plan",
    "harness.burst.command",
    "harness.sabotage",
)


@pytest.mark.long
def test_only_the_locustfile_imports_locust() -> None:
    code = f"import sys, {', '.join(MODULES)}; sys.exit('locust' in sys.modules or 'gevent' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
