"""Handover of secrets from a supervisor to its processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from appliance.cli.handover import Handover

ASK = """
from appliance.cli.handover import Handover
handover = Handover.inherited()
print(handover.key(), handover.secrets(), Handover.inherited())
handover.add("second")
"""


KEY = bytes(range(32))


def test_a_child_reads_key_and_secrets_and_adds_one() -> None:
    with Handover.made("first", KEY) as handover:
        ((variable, (descriptor,)),) = handover.handed.items()
        said = []
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", ASK],
                env={**os.environ, variable: str(descriptor)},
                pass_fds=[descriptor],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            said.append(done.stdout.strip())
        assert said == [f"{KEY!r} ('first',) None", f"{KEY!r} ('second', 'first') None"]
        assert handover.secrets() == ("second", "second", "first")


def test_an_incomplete_write_does_no_harm() -> None:
    with Handover.made("first", KEY) as handover:
        os.pwrite(handover.descriptor, b"\0hal", os.fstat(handover.descriptor).st_size)
        handover.add("second")
        assert handover.secrets() == ("second", "hal", "first")


def test_without_a_supervisor_there_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESHWG_HANDOVER_FD", raising=False)
    assert Handover.inherited() is None
