"""``resolution``: what the command refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.waiting import DEADLINE


@pytest.mark.parametrize(
    ("option", "value"), [("claim", "one-hub"), ("kind", "flood"), ("profile", "soak"), ("minutes", "nan")]
)
def test_an_unknown_value_is_refused(option: str, value: str) -> None:
    command = [sys.executable, "-m", "appliance", "resolution", f"--{option}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith(f"meshwg: --{option} takes ")
    assert len(done.stderr.splitlines()) == 1
