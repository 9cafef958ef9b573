"""``resolution``: what the command refuses."""

from __future__ import annotations

import os

import pytest

from tests.appliance import forks


@pytest.mark.parametrize(
    ("option", "value"), [("claim", "one-hub"), ("kind", "flood"), ("profile", "soak"), ("minutes", "nan")]
)
def test_an_unknown_value_is_refused(option: str, value: str) -> None:
    done = forks.run(["resolution", f"--{option}={value}"], os.environ)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith(f"meshwg: --{option} takes ")
    assert len(done.stderr.splitlines()) == 1
