"""Published runs of the gate."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from appliance.model.errors import Invalid, NotFound
from appliance.service.transcripts import FILES, NEWEST, PublishedRuns, latest_verdicts
from harness.subject.disk import Disk
from harness.subject.syncs import watched
from reports.verifying import verify
from tests.appliance.published import BOUND, written


@pytest.fixture
def runs(tmp_path: Path) -> PublishedRuns:
    return PublishedRuns(tmp_path / "published")


def unreadable(path: Path) -> bytes:
    """Fails in place of `Path.read_bytes`."""
    raise AssertionError(f"{path} is read again")


def test_a_published_run_has_the_gate_s_files_without_evidence(runs: PublishedRuns, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", "2026-03-01T12:00:00Z", "refuted")
    run = runs.publish(tmp_path / "out" / "latest")
    assert runs.runs() == (run,)
    assert (run.id, run.proven, run.caught) == (folder.name, 0, 1)
    assert set(run.files) == set(FILES) == {each.name for each in (runs.folder / run.id).iterdir()}
    for name in FILES:
        assert runs.file(run.id, name) == (folder / name).read_bytes()
    assert verify(runs.folder / run.id).checkpoint is not None


def test_publishing_again_changes_nothing_and_withdrawing_undoes(runs: PublishedRuns, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", "2026-03-01T12:00:00Z")
    assert runs.publish(folder) == runs.publish(folder)
    assert [each.name for each in runs.folder.iterdir()] == [folder.name]
    runs.withdraw(folder.name)
    assert runs.runs() == ()
    with pytest.raises(NotFound):
        runs.withdraw(folder.name)


def test_runs_outlast_a_power_cut_and_so_does_a_withdrawal(runs: PublishedRuns, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", "2026-03-01T12:00:00Z")
    disk = Disk(tmp_path)
    for _ in range(2):
        run = watched(lambda: runs.publish(folder), disk.on_sync)
        disk.cut()
        assert runs.runs() == (run,)
        for name in FILES:
            assert runs.file(run.id, name) == (folder / name).read_bytes()
    watched(lambda: runs.withdraw(folder.name), disk.on_sync)
    disk.cut()
    assert runs.runs() == ()


def test_a_claim_has_the_verdict_of_the_newest_run_to_test_it(runs: PublishedRuns, tmp_path: Path) -> None:
    old = runs.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    new = runs.publish(written(tmp_path / "out", "2026-03-02T12:00:00Z", "refuted", ("one-hub",)))
    assert runs.runs() == (new, old)
    found = {name: (claim.verdict, run.id) for name, (claim, run) in latest_verdicts(runs.runs()).items()}
    assert found == {"one-hub": ("refuted", new.id), "no-egress": ("proven", old.id)}


def test_a_run_tells_of_bounds_scenarios_and_breaks(runs: PublishedRuns, tmp_path: Path) -> None:
    run = runs.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    assert runs.find(run.id) == run
    assert run.day == "2026-03-01"
    claim = run.transcript.claims[0]
    assert claim.bound == BOUND
    (scenario,) = claim.scenarios
    assert (scenario.verdict, scenario.title, scenario.controls) == (
        "proven",
        "It `holds`.",
        ("held: it is <seen> before",),
    )
    assert [(each.id, each.caught, each.broke) for each in run.breaks(claim.id)] == [
        ("broken", True, "the door is open"),
        ("unseen", False, "nobody looks"),
    ]
    assert run.breaks(run.transcript.claims[1].id) == ()


@pytest.mark.parametrize("run", ["..", "", "20260301T120000Z-none", "20260301T120000Z-damaged"])
def test_a_run_that_can_t_be_read_is_not_found(runs: PublishedRuns, run: str) -> None:
    damaged = runs.folder / "20260301T120000Z-damaged"
    damaged.mkdir(parents=True)
    (damaged / "transcript.json").write_text("{", encoding="utf-8")
    (runs.folder / "transcript.json").write_text("{}", encoding="utf-8")
    with pytest.raises(NotFound):
        runs.find(run)


def test_a_run_that_is_replaced_is_read_anew(runs: PublishedRuns, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", "2026-03-01T12:00:00Z")
    assert runs.publish(folder).transcript.seconds == 60.0
    assert runs.runs()[0] is not None
    file = folder / "transcript.json"
    # Of the same length, so that its content alone is another one.
    file.write_bytes(file.read_bytes().replace(b'"seconds": 60.0', b'"seconds": 61.0'))
    runs.publish(folder)
    assert runs.runs()[0].transcript.seconds == 61.0


def test_pages_show_no_more_runs_than_are_kept_parsed(
    runs: PublishedRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runs.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    ids = [first.id]
    for number in range(NEWEST + 20):
        ids.append(f"20270101T{number:06}Z-copy")
        shutil.copytree(runs.folder / first.id, runs.folder / ids[-1])
    damaged = runs.folder / "20280101T000000Z-damaged"
    damaged.mkdir()
    (damaged / "transcript.json").write_text("{", encoding="utf-8")
    assert [run.id for run in runs.runs()] == ids[::-1]
    newest = runs.runs(NEWEST)
    assert [run.id for run in newest] == ids[: -1 - NEWEST : -1]
    monkeypatch.setattr(Path, "read_bytes", unreadable)
    assert runs.runs(NEWEST) == newest


def test_a_transcript_is_read_once_for_many_visitors(
    runs: PublishedRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    monkeypatch.setattr(Path, "read_bytes", unreadable)
    assert [runs.runs() for _ in range(3)] == [(run,)] * 3
    assert runs.find(run.id) == run


def test_an_invalid_run_is_refused_and_nothing_is_left(runs: PublishedRuns, tmp_path: Path) -> None:
    named = tmp_path / "20260301T120000Z-abc"
    named.mkdir()
    (named / "transcript.json").write_text("{}", encoding="utf-8")
    folder = written(tmp_path / "out", "2026-03-01T12:00:00Z")
    elsewhere = folder.rename(tmp_path / "renamed")
    for path in (named, elsewhere, tmp_path / "nowhere"):
        with pytest.raises(Invalid, match="not the folder of a gate's run"):
            runs.publish(path)
    assert runs.runs() == ()
    assert not runs.folder.exists()


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "pipe", "folder", "too large"])
def test_a_run_with_a_replaced_file_is_not_published(runs: PublishedRuns, tmp_path: Path, kind: str) -> None:
    """Publishes, as root, files of an ordinary user, who could replace them by links, pipes and folders."""
    folder, secret = written(tmp_path / "out", "2026-03-01T12:00:00Z"), tmp_path / "secret"
    secret.write_text("root's own", encoding="utf-8")
    file = folder / "transcript.html"
    if kind == "too large":
        os.truncate(file, 64 * 2**20 + 1)
    else:
        file.unlink()
    if kind == "symbolic link":
        file.symlink_to(secret)
    elif kind == "hard link":
        os.link(secret, file)
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    with pytest.raises(Invalid, match="can't be published"):
        runs.publish(folder)
    assert not runs.folder.exists()


def test_a_run_of_another_hub_is_not_published(runs: PublishedRuns, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"is a run of another hub, my:Hub\."):
        runs.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z", hub="my:Hub"))
    assert runs.runs() == ()
    assert not runs.folder.exists()


@pytest.mark.parametrize("run", ["..", ".", "", "20260301T120000Z-abc/..", "20260301T120000Z-none"])
@pytest.mark.parametrize("name", ["transcript.json", "../store/meshwg.sqlite", "evidence"])
def test_only_a_run_s_own_files_are_served(runs: PublishedRuns, tmp_path: Path, run: str, name: str) -> None:
    runs.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    with pytest.raises(NotFound):
        runs.file(run, name)
