"""Handover of secrets from a supervisor to its processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from appliance.cli.handover import Handover

ASK = """
import os
from appliance.cli.handover import Handover
handover = Handover.inherited()
print(handover.secrets(), os.get_inheritable(handover.descriptor), Handover.inherited())
handover.add("second")
"""


def test_a_child_reads_the_secrets_and_adds_one() -> None:
    with Handover.made("first") as handover:
        said = []
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", ASK],
                env={**os.environ, **handover.environment()},
                pass_fds=[handover.descriptor],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            said.append(done.stdout.strip())
        assert said == ["('first',) False None", "('second', 'first') False None"]
        assert handover.secrets() == ("second", "second", "first")


def test_an_incomplete_write_does_no_harm() -> None:
    with Handover.made("first") as handover:
        os.pwrite(handover.descriptor, b"\0hal", os.fstat(handover.descriptor).st_size)
        handover.add("second")
        assert handover.secrets() == ("second", "hal", "first")


def test_without_a_supervisor_there_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESHWG_UNLOCK_SECRET_FD", raising=False)
    assert Handover.inherited() is None
