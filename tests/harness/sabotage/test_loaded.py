"""Process that runs against sabotages are forked from."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.gate import runs
from harness.paths import ROOT, SCENARIOS

_PROGRAM = """
import json, sys, threading
import harness.sabotage.loaded
from _pytest.assertion.rewrite import AssertionRewritingHook
loaded = {name: type(each.__loader__) is AssertionRewritingHook for name, each in sys.modules.items()
          if name.startswith("scenarios.test_")}
print(json.dumps([loaded, threading.active_count()]))
"""
_COLLECTS = """
import sys
from harness.sabotage.loaded import PYTEST
sys.exit(PYTEST.run(["--collect-only", "--quiet", "--claim=one-hub"]))
"""


@pytest.mark.long
def test_forks_find_each_scenario_s_module_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=ROOT, env=runs.environment(), capture_output=True, check=True, text=True
    )
    rewritten, threads = json.loads(done.stdout)
    # Rewritten as pytest loads them: a failed assertion tells its values.
    assert rewritten == {f"scenarios.{each.stem}": True for each in SCENARIOS.glob("test_*.py")}
    # A lock that another thread holds would stay locked in a fork.
    assert threads == 1
    assert done.stderr == ""


@pytest.mark.long
def test_forks_take_nothing_of_pytest_s_variables() -> None:
    pytests = {"PYTEST_ADDOPTS": "-k no_such_scenario", "PYTEST_PLUGINS": "no_such_plugin"}
    subprocess.run([sys.executable, "-c", _COLLECTS], cwd=ROOT, env={**runs.environment(), **pytests}, check=True)
