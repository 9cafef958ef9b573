"""Pytest that is made ready once, for many runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.gate import runs
from harness.paths import ROOT

_CONFTEST = """
import os
os.write(1, b"settings\\n")
def pytest_addoption(parser):
    parser.addoption("--word", default="none")
"""
_TESTS = """
import os
def test_good(pytestconfig):
    os.write(1, pytestconfig.getoption("--word").encode() + b"\\n")
def test_bad(pytestconfig):
    assert False
"""
_PROGRAM = """
import os, sys
from harness.sabotage.prepared import PreparedPytest
prepared = PreparedPytest([sys.argv[1], "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"])
for arguments in (["-k", "good", "--word=first"], ["-k", "good", "--word=second"], ["-k", "bad"], ["--unknown"]):
    if (pid := os.fork()) == 0:
        os._exit(prepared.run(arguments))
    os.write(1, f"\\nexit {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\\n".encode())
"""


@pytest.mark.long
def test_runs_have_options_of_their_own_and_one_preparation(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_some.py").write_text(_TESTS)
    said = _run(str(tmp_path))
    words = [line for line in said.splitlines() if line in ("settings", "none", "first", "second") or "exit" in line]
    assert words == ["settings", "first", "exit 0", "second", "exit 0", "exit 1", "exit 4"], said
    assert "unrecognized arguments: --unknown" in said


def test_a_preparation_that_fails_tells_so(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("raise OSError('out of order')")
    with pytest.raises(subprocess.CalledProcessError) as error:
        _run(str(tmp_path))
    assert "out of order" in error.value.stdout


def _run(folder: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, folder],
        cwd=ROOT,
        env={**runs.environment(), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        text=True,
    )
    return done.stdout
