"""Gate over another project's hub, from that project's folder and with its pytest configuration."""

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
from reports import attest, keys, schema

pytestmark = pytest.mark.long

DEADLINE = 120.0
PROJECT = ROOT / "deploy" / "other-hub" / "project"
SOME = (
    "test_two_machines_shake",
    "test_the_configuration_is_exact",
    "test_a_deleted_link",
    "test_no_start_without",
    "test_no_call_tells",
)


@dataclass(frozen=True)
class Run:
    """Result of a run: verdict and reason by scenario, and pytest's output."""

    code: int
    outcomes: dict[str, tuple[str, str | None]]
    output: str


def gate(folder: Path, *options: str) -> Run:
    """Runs the gate in a copy of the project's folder."""
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    file = folder / "results.json"
    file.touch()
    done = subprocess.run(
        [
            # An installed package needs no such option: see deploy/other-hub/prove.
            *(sys.executable, "-m", "pytest", "-p", "harness.entry", "-p", "no:cacheprovider"),
            # That project has none of these, and each of the starts here would take twice as long with them.
            *("-p", "no:anyio", "-p", "no:locust", "-p", "no:schemathesis"),
            *("--pyargs", "scenarios", f"--results={file}", *options),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    outcomes = {each.name: (each.verdict, each.failure) for each in results.decode(file.read_bytes()).scenarios}
    return Run(done.returncode, outcomes, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of some scenarios of several claims."""
    return gate(tmp_path_factory.mktemp("project"), "-k", " or ".join(SOME))


def test_claims_that_a_plain_hub_keeps_are_proven(run: Run) -> None:
    for name in (
        "test_two_machines_shake_hands_and_exchange_packets",
        "test_the_configuration_is_exact_and_wg_quick_accepts_it",
    ):
        assert run.outcomes[name] == ("proven", None), run.output
    assert "proven       tunnel-handshake" in run.output
    assert run.code == 1


def test_claims_that_a_plain_hub_breaks_are_refuted(run: Run) -> None:
    verdict, reason = run.outcomes["test_a_deleted_link_is_made_again"]
    assert (verdict, reason) == ("refuted", "mumbai→pune is allowed, and its packets don't arrive for 5 s")
    assert "refuted      self-healing" in run.output


def test_claims_about_features_that_a_hub_lacks_are_inconclusive(run: Run) -> None:
    assert run.outcomes["test_no_start_without_the_secret"] == (
        "inconclusive",
        "it needs the service's own processes, files and commands, and --hub names another hub",
    )
    verdict, reason = run.outcomes["test_no_call_tells_of_another_organization"]
    assert verdict == "inconclusive"
    assert (reason or "").startswith("the hub that is gated has nothing that answers ")
    assert len(run.outcomes) == len(SOME)
    assert "skipped" not in run.output
    for name, (verdict, _) in run.outcomes.items():
        assert verdict == "proven" or f"{name} is {verdict}: " in run.output


def test_the_run_writes_a_signed_transcript_that_names_the_hub(tmp_path: Path) -> None:
    run = gate(tmp_path, "--claim=tunnel-handshake", "--seed=7", "--transcript=out")
    latest = tmp_path / "out" / "latest"
    assert f"transcript: out/{latest.resolve().name}/transcript.html" in run.output
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


def test_an_error_of_pytest_s_own_fails_the_transcript(tmp_path: Path) -> None:
    (tmp_path / "after_all.py").write_text(
        "import pytest\n\n\n@pytest.hookimpl(wrapper=True)\ndef pytest_runtestloop():\n    yield\n    raise OSError\n"
    )
    run = gate(tmp_path, "-p", "after_all", "--claim=tunnel-handshake", "--transcript=out")
    made = schema.load(tmp_path / "out" / "latest")
    assert {verdict for verdict, _ in run.outcomes.values()} == {"proven"}
    assert made.verdict == "fail"
    assert made.problems == ["The run went wrong: pytest ended with status 3: an error of its own."]
    assert run.code == 3


def test_no_private_key_is_in_a_transcript_of_a_verbose_run(tmp_path: Path) -> None:
    # A control fails, and pytest's text of the assertion shows a machine.
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
def test_a_transcript_of_a_part_of_a_claim_is_bad_usage(tmp_path: Path, selection: tuple[str, ...]) -> None:
    run = gate(tmp_path, "--transcript=out", *selection)
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "--transcript takes all scenarios, or all of one --claim" in run.output
    assert not (tmp_path / "out").exists()


def test_a_scenario_of_another_profile_may_be_left_out(tmp_path: Path) -> None:
    run = gate(tmp_path, "--transcript=out", "--claim=policy-enforcement", "--collect-only")
    assert run.code == 0, run.output
    assert "deselected" in run.output


def test_pytest_xdist_is_bad_usage(tmp_path: Path) -> None:
    run = gate(tmp_path, "-n2")
    assert (run.code, run.outcomes) == (pytest.ExitCode.USAGE_ERROR, {})
    assert "leave out pytest-xdist's -n" in run.output


def test_a_key_that_can_t_sign_is_bad_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keys.KEY_VARIABLE, str(tmp_path / "nowhere.pem"))
    run = gate(tmp_path, "--transcript=out")
    assert (run.code, run.outcomes) == (pytest.ExitCode.USAGE_ERROR, {})
    assert "nowhere.pem can't be read" in run.output
