"""Another project's hub under the gate: its folder, its configuration of pytest, one class of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import results
from harness.paths import ROOT
from harness.results import Results

DEADLINE = 120.0
PROJECT = ROOT / "deploy" / "other-hub" / "project"


def gate(folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], Results]:
    """Runs scenarios in a copy of the project's folder."""
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    file = folder / "results.json"
    done = subprocess.run(
        # Where the package is installed, nothing has to be named: see deploy/other-hub/prove.
        [
            *(sys.executable, "-m", "pytest", "-p", "harness.entry", "-p", "no:cacheprovider"),
            *("--pyargs", "scenarios", f"--results={file}", *options),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    return done, results.read(file)


def test_a_plain_hub_proves_what_it_holds(tmp_path: Path) -> None:
    done, told = gate(tmp_path, "--claim=tunnel-handshake")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [each.verdict for each in told.scenarios] == ["proven", "proven"]
    assert "proven       tunnel-handshake" in done.stdout


def test_what_it_does_not_hold_is_refuted_and_what_it_has_not_is_inconclusive(tmp_path: Path) -> None:
    done, told = gate(tmp_path, "--claim=self-healing")
    assert done.returncode == 1, done.stdout + done.stderr
    (refuted,) = [each for each in told.scenarios if each.verdict == "refuted"]
    assert refuted.name == "test_the_link_with_an_organization_s_key_is_made_anew"
    others = [each for each in told.scenarios if each is not refuted]
    assert {(each.verdict, (each.failure or "").partition(",")[0]) for each in others} == {
        ("inconclusive", "it takes the service's own processes")
    }
    # Nothing is left out, neither by pytest nor in what is told.
    assert "skipped" not in done.stdout
    for each in told.scenarios:
        assert f"{each.name} is {each.verdict}: " in done.stdout


def test_calls_without_an_answer_say_which_and_the_rest_follows_the_contract(tmp_path: Path) -> None:
    done, told = gate(tmp_path, "--claim=org-isolation", "--scenario=test_no_call_tells_of_another_organization")
    (only,) = told.scenarios
    assert (done.returncode, only.verdict) == (1, "inconclusive")
    assert only.failure == "the hub that is gated has nothing that answers POST /api/v1/policy/rules"


@pytest.mark.parametrize("hub", ["plain", "nowhere:Hub"])
def test_a_hub_that_is_none_is_bad_usage(tmp_path: Path, hub: str) -> None:
    done, _ = gate(tmp_path, "--collect-only", f"--hub={hub}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert hub in done.stderr
