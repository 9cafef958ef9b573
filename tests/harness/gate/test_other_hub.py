"""Another project's hub under the gate: its folder, its configuration of pytest, one class of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.gate import results
from harness.gate.claims import CLAIMS
from harness.paths import ROOT
from reports import attest, schema

DEADLINE = 120.0
PROJECT = ROOT / "deploy" / "other-hub" / "project"
SOME = (
    "test_two_machines_shake",
    "test_the_configuration_is_exact",
    "test_the_link_of",
    "test_no_start_without",
    "test_no_call_tells",
)


@dataclass(frozen=True)
class Run:
    """What a run of some scenarios came to: verdict and reason by scenario, and all that pytest said."""

    code: int
    outcomes: dict[str, tuple[str, str | None]]
    said: str


def gate(folder: Path, *options: str) -> Run:
    """The gate, in a copy of the project's folder."""
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    file = folder / "results.json"
    done = subprocess.run(
        [
            # Where the package is installed, nothing has to be named: see deploy/other-hub/prove.
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
    outcomes = {each.name: (each.verdict, each.failure) for each in results.read(file).scenarios}
    return Run(done.returncode, outcomes, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Some scenarios of several claims."""
    return gate(tmp_path_factory.mktemp("project"), "-k", " or ".join(SOME))


def test_a_plain_hub_proves_what_it_holds(run: Run) -> None:
    for name in (
        "test_two_machines_shake_hands_and_exchange_packets",
        "test_the_configuration_is_exact_and_wg_quick_accepts_it",
    ):
        assert run.outcomes[name] == ("proven", None), run.said
    assert "proven       tunnel-handshake" in run.said
    assert run.code == 1


def test_what_it_does_not_hold_is_refuted(run: Run) -> None:
    verdict, reason = run.outcomes["test_the_link_of_an_organization_is_made_anew"]
    assert (verdict, reason) == ("refuted", "mumbai→pune is allowed, and its packets don't arrive for 5 s")
    assert "refuted      self-healing" in run.said


def test_what_it_does_not_have_is_inconclusive_and_nothing_is_left_out(run: Run) -> None:
    assert run.outcomes["test_no_start_without_the_secret"] == (
        "inconclusive",
        "it needs the service's own processes, files and commands, and --hub names another hub",
    )
    verdict, reason = run.outcomes["test_no_call_tells_of_another_organization"]
    assert verdict == "inconclusive"
    assert (reason or "").startswith("the hub that is gated has nothing that answers ")
    assert len(run.outcomes) == len(SOME)
    assert "skipped" not in run.said
    for name, (verdict, _) in run.outcomes.items():
        assert verdict == "proven" or f"{name} is {verdict}: " in run.said


def test_the_run_leaves_a_signed_transcript_that_says_whose_hub_it_was(tmp_path: Path) -> None:
    run = gate(tmp_path, "--claim=tunnel-handshake", "--seed=7", "--transcript=out")
    latest = tmp_path / "out" / "latest"
    assert f"transcript: out/{latest.resolve().name}/transcript.html" in run.said
    made = schema.load(latest)
    assert (made.hub, made.seed, made.profile, made.sabotage) == ("plain:PlainHub", 7, "quick", [])
    assert (made.verdict, made.problems, run.code) == ("pass", [], 0)
    (claim,) = made.claims
    assert {each.name: (each.verdict, each.failure) for each in claim.scenarios} == run.outcomes
    assert claim.scenarios[0].measured
    assert set(made.left_out) == {each.id for each in CLAIMS} - {"tunnel-handshake"}
    assert made.environment["wireguard of the hub"] == "unknown, of plain:PlainHub"
    attest.verify(latest, latest / "signing.pub")
    assert {each.name for each in latest.iterdir()} >= {"transcript.html", "junit.xml"}
    assert {each.name for each in latest.parent.iterdir()} == {"latest", latest.resolve().name}


def test_no_private_key_is_in_a_transcript_however_much_pytest_is_to_say(tmp_path: Path) -> None:
    # A control fails, and the words of its assertion tell of a machine.
    (tmp_path / "deaf.py").write_text("import netlab\n\nnetlab.tcp_probe = lambda *_: False\n")
    gate(tmp_path, "-p", "deaf", "--claim=no-egress", "--transcript=out", "-vv")
    latest = tmp_path / "out" / "latest"
    failures = [each.failure or "" for claim in schema.load(latest).claims for each in claim.scenarios]
    assert [each for each in failures if "Machine(id=" in each]
    assert (latest / "evidence" / "test_the_hub_answers_pings_and_nothing_else" / "error.txt").is_file()
    for file in ("transcript.json", "transcript.html", "junit.xml"):
        assert "PrivateKey" not in (latest / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "selection", [("--scenario=test_no_start_without_the_secret",), ("-k", "shake"), ("--ignore-glob=*test_sign_in*",)]
)
def test_a_transcript_is_never_of_a_part_of_a_claim(tmp_path: Path, selection: tuple[str, ...]) -> None:
    run = gate(tmp_path, "--transcript=out", *selection)
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "--transcript is of all scenarios, or of all of one --claim" in run.said
    assert not (tmp_path / "out").exists()


def test_what_pytest_shares_among_processes_is_told_before_anything_runs(tmp_path: Path) -> None:
    run = gate(tmp_path, "-n2")
    assert (run.code, run.outcomes) == (pytest.ExitCode.USAGE_ERROR, {})
    assert "leave out pytest-xdist's -n" in run.said


def test_a_key_that_can_t_sign_is_told_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(attest.KEY_VARIABLE, str(tmp_path / "nowhere.pem"))
    run = gate(tmp_path, "--transcript=out")
    assert (run.code, run.outcomes) == (pytest.ExitCode.USAGE_ERROR, {})
    assert "nowhere.pem can't be read" in run.said
