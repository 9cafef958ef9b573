"""The shelf of published runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.model.errors import Invalid, NotFound
from appliance.service import transcripts
from appliance.service.transcripts import FILES, Shelf, latest_verdicts
from reports.attest import verify
from tests.appliance.published import written


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def test_a_published_run_is_the_gates_own_files_without_its_evidence(shelf: Shelf, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", "2026-03-01T12:00:00Z")
    run = shelf.publish(tmp_path / "out" / "latest")
    assert shelf.runs() == (run,)
    assert (run.id, run.proven, run.caught) == (folder.name, 2, 1)
    assert set(run.files) == set(FILES) == {each.name for each in (shelf.folder / run.id).iterdir()}
    for name in FILES:
        assert shelf.file(run.id, name) == (folder / name).read_bytes()
    verify(shelf.folder / run.id)


def test_publishing_again_changes_nothing_and_withdrawing_takes_it_off(shelf: Shelf, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", "2026-03-01T12:00:00Z")
    assert shelf.publish(folder) == shelf.publish(folder)
    assert [each.name for each in shelf.folder.iterdir()] == [folder.name]
    shelf.withdraw(folder.name)
    assert shelf.runs() == ()
    with pytest.raises(NotFound):
        shelf.withdraw(folder.name)


def test_each_claim_has_the_verdict_of_the_newest_run_that_looked_at_it(shelf: Shelf, tmp_path: Path) -> None:
    old = shelf.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    new = shelf.publish(written(tmp_path / "out", "2026-03-02T12:00:00Z", "refuted", ("one-hub",)))
    assert shelf.runs() == (new, old)
    found = {name: (claim.verdict, run.id) for name, (claim, run) in latest_verdicts(shelf.runs()).items()}
    assert found == {"one-hub": ("refuted", new.id), "no-egress": ("proven", old.id)}


def test_what_is_no_run_is_refused_and_nothing_is_left(shelf: Shelf, tmp_path: Path) -> None:
    named = tmp_path / "20260301T120000Z-abc"
    named.mkdir()
    (named / "transcript.json").write_text("{}", encoding="utf-8")
    folder = written(tmp_path / "out", "2026-03-01T12:00:00Z")
    elsewhere = folder.rename(tmp_path / "renamed")
    for path in (named, elsewhere, tmp_path / "nowhere"):
        with pytest.raises(Invalid, match="not the folder of a gate's run"):
            shelf.publish(path)
    assert shelf.runs() == ()
    assert not shelf.folder.exists()


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "pipe", "folder", "too large"])
def test_a_file_that_is_not_the_gate_s_own_is_not_shown_to_everybody(
    shelf: Shelf, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root publishes what an ordinary user's gate wrote, who could put anything in its place."""
    folder, secret = written(tmp_path / "out", "2026-03-01T12:00:00Z"), tmp_path / "secret"
    secret.write_text("root's own", encoding="utf-8")
    file = folder / "transcript.html"
    if kind == "too large":
        monkeypatch.setattr(transcripts, "_LARGEST", file.stat().st_size - 1)
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
        shelf.publish(folder)
    assert not shelf.folder.exists()


def test_a_run_of_another_hub_says_nothing_of_this_product_and_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"is a run of another hub, my:Hub\."):
        shelf.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z", hub="my:Hub"))
    assert shelf.runs() == ()
    assert not shelf.folder.exists()


@pytest.mark.parametrize("run", ["..", ".", "", "20260301T120000Z-abc/..", "20260301T120000Z-none"])
@pytest.mark.parametrize("name", ["transcript.json", "../store/meshwg.sqlite", "evidence"])
def test_nothing_beside_a_runs_files_is_given_out(shelf: Shelf, tmp_path: Path, run: str, name: str) -> None:
    shelf.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    with pytest.raises(NotFound):
        shelf.file(run, name)
