"""Runs of pytest against a mutant, in a sandbox of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.mutation import forks
from harness.mutation.forks import Run
from harness.paths import ROOT

pytestmark = pytest.mark.long

TESTS = ("tests/appliance/hub/test_reasons.py",)
PATH = "appliance/hub/errors.py"
DEADLINE = 600.0


def test_the_product_itself_passes_and_its_lines_are_known() -> None:
    found = forks.run(Run(TESTS, recorded=[PATH]), DEADLINE)
    assert (found.passed, found.failure, found.trouble) == (1, None, "")
    assert found.seconds > 0
    (test,) = found.costs
    assert [test] in found.lines[PATH].values()


def test_a_mutant_is_noticed_and_no_file_changes() -> None:
    before = (ROOT / PATH).read_text()
    broken = before.replace("def reason(", "def reason(*_: object) -> str:\n    return 'x'\n\n\ndef former(")
    assert broken != before
    found = forks.run(Run(TESTS, path=PATH, source=broken), DEADLINE)
    assert found.failure is not None
    assert found.failure.test.startswith(TESTS[0])
    assert found.failure.error == "AssertionError"
    assert (ROOT / PATH).read_text() == before
    assert forks.run(Run(TESTS), DEADLINE).failure is None


def test_a_process_that_forks_sabotaged_runs_sees_mutants(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"""
import multiprocessing
from harness.mutation import forks

if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["appliance.hub.errors"])
    process = context.Process(target=abs, args=(1,))
    process.start()
    process.join()
    found = forks.run(forks.Run({TESTS}, path={PATH!r}, source="raise RuntimeError"), {DEADLINE})
    print(found.trouble or found.failure.test)
""")
    command = [sys.executable, str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=DEADLINE)
    assert done.stdout.strip() == TESTS[0]


def test_a_mutant_that_cannot_be_imported_is_noticed() -> None:
    found = forks.run(Run(TESTS, path=PATH, source="raise RuntimeError('broken')\n"), DEADLINE)
    assert found.failure is not None
    assert found.failure.test == TESTS[0]
    assert "can't be imported" in found.failure.words


def test_a_run_without_tests_says_nothing() -> None:
    assert "no such tests" in forks.run(Run(TESTS, options=["-k", "nothing"]), DEADLINE).trouble


def test_a_run_beyond_its_deadline_says_nothing() -> None:
    endless = "while True:\n    pass\n"
    assert "ended after 1 s" in forks.run(Run(TESTS, path=PATH, source=endless), 1.0).trouble
