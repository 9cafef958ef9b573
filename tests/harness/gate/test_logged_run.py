"""Records of runs: begins and ends in the log, and what refutes a run whatever its scenarios measured."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from harness.gate import logged_run
from harness.gate.logged_run import LoggedRun
from reports import packages, schema, verifying
from reports.keys import Signer
from reports.log.audit import audit
from reports.log.folder import LogError
from tests.reports.checkouts import checkout
from tests.reports.samples import run

_installed = functools.cache(packages.installed)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provides the checkout that is tested, and a user without a key."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("MESHWG_SIGNING_KEY_FILE", raising=False)
    made = checkout(tmp_path / "project")
    monkeypatch.setattr(logged_run, "ROOT", made)
    # Reading all files of all packages takes seconds, and all of their records a fifth of one.
    monkeypatch.setattr(packages, "altered", lambda: ["swapped"])
    monkeypatch.setattr(packages, "installed", _installed)
    monkeypatch.setattr(logged_run, "SCENARIOS", made / "scenarios")
    return made


def begin(signer: Signer | None = None) -> LoggedRun:
    out = Path(os.environ["XDG_STATE_HOME"]).parent / "out"
    return LoggedRun.begin(signer or Signer.find(), out, "quick", 7)


def end(begun: LoggedRun, project: Path, verdict: str = "pass") -> tuple[schema.Transcript, Path]:
    judged = begun.judge(run(verdict=verdict))
    return begun.write(judged, project.parent / "out", project.parent / "no-evidence", b"events")


def folder_of(begun: LoggedRun) -> Path:
    assert begun.log is not None
    return begun.log.folder


@pytest.mark.parametrize("verdict", ["pass", "fail"])
def test_a_run_is_in_the_log_whatever_its_verdict(project: Path, verdict: str) -> None:
    begun = begin()
    told, folder = end(begun, project, verdict)
    assert told.problems == []
    found = verifying.verify(folder)
    assert found.transcript.tested == msgspec.structs.replace(begun.tested, altered=["swapped"])
    assert found.transcript.verdict == verdict
    (logged,) = audit(folder_of(begun), begun.signer.key.public_key()).runs
    assert logged.ended is not None
    assert (logged.began.seed, logged.ended.verdict) == (7, verdict)


@pytest.mark.long
def test_a_run_that_is_broken_off_stays_without_an_end(project: Path) -> None:
    broken = begin()
    end(begin(), project)
    runs = audit(folder_of(broken), broken.signer.key.public_key()).runs
    assert [each.ended is None for each in runs] == [True, False]


@pytest.mark.long
def test_two_gates_at_once_are_told_apart(project: Path) -> None:
    one, other = begin(), begin()
    folders = [end(each, project)[1] for each in (other, one)]
    assert [(place.began, place.index) for each in folders if (place := schema.load(each).log)] == [(1, 2), (0, 3)]
    for folder in folders:
        verifying.verify(folder)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("new.py", "the files of the checkout"),
        ("requirements.lock", "the files of the checkout, the lock files"),
        ("scenarios/test_one.py", "the files of the checkout, the scenarios"),
    ],
)
def test_a_change_while_the_gate_runs_refutes_the_run(project: Path, path: str, what: str) -> None:
    begun = begin()
    (project / path).write_text("changed")
    told, folder = end(begun, project)
    assert told.verdict == "fail"
    assert told.problems == [f"What was tested changed while the gate ran: {what}."]
    assert schema.load(folder).problems == told.problems
    # It is about what was there at the begin, and the log has it as refuted.
    found = verifying.verify(folder)
    assert found.transcript.tested is not None
    assert found.transcript.tested.subject == begun.tested.subject
    assert f"What was tested changed while the gate ran: {what}." in (folder / "transcript.html").read_text()
    (logged,) = audit(folder_of(begun), begun.signer.key.public_key()).runs
    assert logged.ended is not None
    assert logged.ended.verdict == "fail"


def test_what_is_ignored_may_change_meanwhile(project: Path) -> None:
    begun = begin()
    (project / "out").mkdir()
    (project / "out" / "x").touch()
    assert end(begun, project)[0].problems == []


def test_a_key_of_one_run_is_in_no_log(project: Path) -> None:
    begun = begin(Signer.for_one_run())
    told, folder = end(begun, project)
    assert (told.verdict, schema.load(folder).log) == ("pass", None)
    assert verifying.verify(folder).checkpoint is None
    assert begun.signature(schema.load(folder)).endswith("for this run alone, in no log of runs")
    assert not (project.parent / "state").exists()


def test_a_log_that_was_changed_lets_no_run_begin(project: Path) -> None:
    begun = begin()
    end(begun, project)
    (folder_of(begun) / "checkpoint").write_bytes(b"")
    with pytest.raises(LogError, match="can't be trusted any more"):
        begin()


@pytest.mark.long
def test_a_log_that_was_put_back_lets_no_run_begin(project: Path) -> None:
    end(begin(), project)
    state = project.parent / "state"
    shutil.copytree(state, project.parent / "backup")
    _, folder = end(begin(), project)
    shutil.rmtree(state)
    shutil.copytree(project.parent / "backup", state)
    with pytest.raises(LogError, match="It was cut: it has 2 entries, and had 4"):
        begin()
    # Nobody knows any more once the latest run is gone, too.
    shutil.rmtree(folder)
    begin()


def test_a_log_that_was_begun_anew_is_another_one(project: Path) -> None:
    first = begin()
    _, before = end(first, project)
    shutil.rmtree(folder_of(first).parent)
    _, after = end(begin(), project)
    names = {place.name for each in (before, after) if (place := schema.load(each).log)}
    assert len(names) == 2


def test_a_log_that_is_changed_at_the_very_end_refutes_the_run(project: Path) -> None:
    begun = begin()
    judged = begun.judge(run())
    shutil.rmtree(folder_of(begun))
    told, folder = begun.write(judged, project.parent / "out", project.parent / "no-evidence")
    assert (told.verdict, told.log) == ("fail", None)
    assert told.problems[0].startswith("The run is in no log of runs. ")
    verifying.verify(folder)


def test_a_log_that_is_changed_meanwhile_refutes_the_run(project: Path) -> None:
    begun = begin()
    shutil.rmtree(folder_of(begun))
    told, folder = end(begun, project)
    assert told.verdict == "fail"
    (problem,) = told.problems
    name = folder_of(begun).name
    assert (
        problem
        == f"The run is in no log of runs. The log of runs {name} can't be trusted any more. Its checkpoint is gone."
    )
    found = verifying.verify(folder)
    assert (found.transcript.verdict, found.checkpoint) == ("fail", None)
    assert not folder_of(begun).exists()


def test_a_run_says_whose_key_signed(project: Path) -> None:
    begun = begin()
    told, folder = end(begun, project)
    assert told == schema.load(folder)
    said = begun.signature(told)
    assert begun.signer.fingerprint[:16] in said
    assert str(begun.signer.file) in said
    assert said.endswith("entry 1 of the log of runs")
