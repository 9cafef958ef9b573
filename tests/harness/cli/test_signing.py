"""Keys and logs of `gate` and `test`: what stops a run before its first scenario, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from harness.cli import stages
from harness.cli.commands import gate as command
from harness.cli.stages import StageResult
from harness.cli.watching import Watch
from harness.gate import gate as gates
from harness.gate import logged_run
from harness.gate.gate import GateRun
from harness.gate.plans import GatePlan
from harness.gate.runs import RunOptions
from reports import packages, schema, tree, verifying
from reports import verdict as verdicts
from reports.keys import Signer
from reports.log.folder import of_signer
from tests.reports.checkouts import checkout

pytestmark = pytest.mark.long

PLAN = GatePlan(RunOptions(claim="one-hub", seed=7), sabotages_only=True)


@pytest.fixture(autouse=True)
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives the gate a small checkout, a folder of runs and a state folder of its own, and no scenario to run."""
    project = checkout(tmp_path / "project")
    monkeypatch.delenv("MESHWG_SIGNING_KEY_FILE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(logged_run, "ROOT", project)
    monkeypatch.setattr(logged_run, "SCENARIOS", project / "scenarios")
    monkeypatch.setattr(packages, "altered", list)
    monkeypatch.setattr(command, "REPORTS", tmp_path / "out")
    monkeypatch.setattr(gates, "run", lambda plan, *_: GateRun(plan, 1772368259.9, 1.0, (), ()))
    return tmp_path / "out"


@pytest.fixture
def no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "run", lambda *_: pytest.fail("a scenario ran"))


def assert_refused(capsys: pytest.CaptureFixture[str], code: int, why: str) -> None:
    with pytest.raises(typer.Exit) as ended:
        command.run_and_publish(PLAN, Watch())
    said = capsys.readouterr()
    assert ended.value.exit_code == code
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("meshwg: ")
    assert why in said.err


def test_a_run_says_whose_key_signed_and_where_it_is_logged(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.run_and_publish(PLAN, Watch())
    signer = Signer.find()
    said = capsys.readouterr().out
    assert f"a signing key was made: {signer.file}\n" in said
    assert f"signed by the key {signer.fingerprint[:16]} in {signer.file}, entry 1 of the log of runs\n" in said
    assert verifying.verify(out / "latest").transcript.signed_by == signer.fingerprint
    command.run_and_publish(PLAN, Watch())
    said = capsys.readouterr().out
    assert "was made" not in said
    assert "entry 3 of the log of runs\n" in said


def test_a_throwaway_key_leaves_nothing_behind(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.run_and_publish(PLAN, Watch(), throwaway_key=True)
    assert "for this run alone, in no log of runs\n" in capsys.readouterr().out
    assert schema.load(out / "latest").log is None
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("passed", "failed", "verdict"), [(106, 0, "pass"), (105, 1, "fail"), (0, 1, "fail"), (0, 0, "fail")]
)
def test_the_api_s_contract_is_part_of_a_full_run_s_verdict(
    out: Path, monkeypatch: pytest.MonkeyPatch, passed: int, failed: int, verdict: str
) -> None:
    monkeypatch.setattr(stages, "contract", lambda seed: StageResult("contract", passed, failed, float(seed)))
    monkeypatch.setattr(verdicts, "problems_of", lambda *_, **__: [])
    plan = GatePlan(RunOptions(profile="full", seed=7))
    has_passed, good, bad = command.run_and_publish(plan, Watch())
    told = verifying.verify(out / "latest").transcript
    assert (has_passed, told.verdict, told.seconds) == (verdict == "pass", verdict, 8.0)
    assert (good, bad) == (passed, int(not has_passed))
    words = f"The check of the API's contract does not pass: {passed} passed, {failed} failed."
    assert told.problems == ([] if has_passed else [words])


@pytest.mark.usefixtures("no_run")
def test_a_key_that_others_can_read_stops_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    file = Signer.find().file
    assert file is not None
    file.chmod(0o644)
    assert_refused(capsys, 78, "can be read or changed by others")


@pytest.mark.usefixtures("no_run")
def test_a_key_that_can_t_be_kept_stops_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").touch()
    assert_refused(capsys, 73, "No signing key can be kept in ")


@pytest.mark.usefixtures("no_run")
def test_a_log_that_was_changed_stops_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    log = of_signer(Signer.find())
    assert log is not None
    with log.opened():
        pass
    (log.folder / "checkpoint").unlink()
    assert_refused(capsys, 73, "can't be trusted any more. Its checkpoint is gone.")


@pytest.mark.usefixtures("no_run")
def test_a_scenario_that_can_t_be_read_stops_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> str:
        raise tree.TreeError("scenarios/x.py can't be read: Permission denied.")

    monkeypatch.setattr(tree, "folder_digest", refuse)
    assert_refused(capsys, 66, "scenarios/x.py can't be read")
