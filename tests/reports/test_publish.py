"""Files of runs are complete or absent, and `latest` always leads to the newest run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.subject.disk import Disk
from harness.subject.syncs import watched
from reports import publish, render, schema, verifying
from reports.attest import verify
from reports.events import recording
from reports.keys import Signer
from reports.log.entries import Began
from reports.log.folder import RunLog
from tests.properties import sharing_fixtures
from tests.reports.samples import SOFTWARE, run

FILES = {"transcript.json", "transcript.html", "junit.xml", "card.png", "attestation.dsse.json", "signing.pub"}


def whole(folder: Path, seed: int) -> None:
    """Asserts that all files of this run exist and belong together."""
    assert {path.name for path in folder.iterdir()} - {"evidence"} == FILES
    assert schema.load(folder).seed == seed
    verify(folder)


def folders(out: Path) -> set[str]:
    """Lists the folders beside `latest`."""
    return {path.name for path in out.iterdir()} - {"latest"}


def test_latest_leads_to_the_folder_of_the_newest_run(tmp_path: Path, signer: Signer) -> None:
    out = tmp_path / "reports" / "out"
    folder = publish.write(run(seed=1), out, signer=signer)
    assert folder.parent == out
    assert folder.name.startswith("20260301T123059Z-")
    whole(folder, 1)
    assert (out / "latest").is_symlink()
    # Relative, so that the folder can be moved or mounted elsewhere.
    assert (out / "latest").readlink() == Path(folder.name)
    second = publish.write(run(seed=2), out, signer=signer)
    whole(out / "latest", 2)
    whole(folder, 1)
    assert folders(out) == {folder.name, second.name}


def test_a_run_s_folder_is_readable_by_everybody(tmp_path: Path, signer: Signer) -> None:
    folder = publish.write(run(), tmp_path, signer=signer)
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("step", ["render.html", "junit", "dump", "_point"])
@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()], ids=["error", "interrupted"])
def test_a_failure_in_the_middle_leaves_the_earlier_run(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    first = publish.write(run(seed=1), tmp_path, signer=signer)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    owner, name = (render, "html") if step == "render.html" else (publish, step)
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(type(error)):
        publish.write(run(seed=2), tmp_path, signer=signer)
    whole(tmp_path / "latest", 1)
    assert (tmp_path / "latest").resolve() == first.resolve()
    for other in folders(tmp_path) - {first.name}:
        whole(tmp_path / other, 2)
    if step != "_point":
        assert folders(tmp_path) == {first.name}


def test_latest_leads_to_a_complete_run_at_every_moment(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish.write(run(seed=1), tmp_path, signer=signer)
    moments = 0

    def watched(kind: type[Any], name: str) -> None:
        original = getattr(kind, name)

        def act(*arguments: Any, **options: Any) -> Any:
            nonlocal moments
            moments += 1
            whole(tmp_path / "latest", schema.load(tmp_path / "latest").seed)
            return original(*arguments, **options)

        monkeypatch.setattr(kind, name, act)

    for name in ("write_bytes", "write_text", "rename", "replace", "symlink_to", "unlink"):
        watched(Path, name)
    publish.write(run(seed=2), tmp_path, signer=signer)
    assert moments >= 7
    whole(tmp_path / "latest", 2)


def test_the_oldest_runs_beyond_the_limit_are_removed(tmp_path: Path, signer: Signer) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "20260301-notes.txt").touch()
    for number in range(5):
        publish.write(run(started_at=f"2026-03-0{number + 1}T00:00:00Z", seed=number), tmp_path, signer=signer, keep=3)
    kept = folders(tmp_path) - {"notes", "20260301-notes.txt"}
    assert sorted(name[:8] for name in kept) == ["20260303", "20260304", "20260305"]
    # What it did not make it does not take away.
    assert (tmp_path / "notes").is_dir()
    assert (tmp_path / "20260301-notes.txt").exists()


@pytest.mark.long
@given(moments=st.lists(st.integers(0, 3), min_size=1, max_size=5), keep=st.integers(1, 3))
@sharing_fixtures(20)
def test_the_newest_run_is_never_removed(tmp_path: Path, signer: Signer, moments: list[int], keep: int) -> None:
    # Several in one second, and a clock that was set back.
    out = tmp_path / "runs"
    shutil.rmtree(out, ignore_errors=True)
    for seed, moment in enumerate(moments):
        made = run(started_at=f"2026-03-01T00:00:0{moment}Z", seed=seed)
        folder = publish.write(made, out, signer=signer, keep=keep)
        whole(folder, seed)
        assert (out / "latest").resolve() == folder.resolve()
        assert len(folders(out)) == min(seed + 1, keep)


def test_a_dangling_link_to_the_latest_run_is_replaced(tmp_path: Path, signer: Signer) -> None:
    (tmp_path / "latest").symlink_to("nowhere")
    folder = publish.write(run(seed=1), tmp_path, signer=signer)
    assert (tmp_path / "latest").resolve() == folder.resolve()


def test_two_runs_with_equal_process_ids_do_not_collide(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each sandbox counts its processes from 1, so two gates often have the same number.
    monkeypatch.setattr(os, "getpid", lambda: 7)
    original = Path.replace
    nested: list[Path] = []

    def replace(path: Path, target: Path) -> Path:
        if not nested:
            nested.append(Path())
            nested[0] = publish.write(run(seed=2), tmp_path, signer=signer)
        return original(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    first = publish.write(run(seed=1), tmp_path, signer=signer)
    whole(first, 1)
    whole(nested[0], 2)
    whole(tmp_path / "latest", 1)
    assert folders(tmp_path) == {first.name, nested[0].name}


def test_evidence_of_any_name_is_copied(tmp_path: Path, signer: Signer) -> None:
    evidence = tmp_path / "evidence-from-somewhere"
    names = [
        "plain.txt",
        "with space",
        "-rf",
        "..x",
        "<img src=x onerror=alert(1)>",
        "line\nbreak",
        "मुंबई",
        "\udcff\udcfe",
        "x" * 250,
    ]
    for name in names:
        (evidence / "test_x").mkdir(parents=True, exist_ok=True)
        (evidence / "test_x" / name).write_text(f"about {len(name)}")
    folder = publish.write(run(), tmp_path / "out", signer=signer, evidence=evidence)
    found = {path.name: path.read_text() for path in (folder / "evidence" / "test_x").iterdir()}
    assert found == {name: f"about {len(name)}" for name in names}


def test_links_among_the_evidence_stay_links(tmp_path: Path, signer: Signer) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for a customer")
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "link").symlink_to(secret)
    (evidence / "nowhere").symlink_to(tmp_path / "missing")
    (evidence / "state.txt").write_text("state")
    folder = publish.write(run(seed=1), tmp_path / "out", signer=signer, evidence=evidence)
    whole(folder, 1)
    assert (folder / "evidence" / "state.txt").read_text() == "state"
    copied = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in copied if b"not for a customer" in path.read_bytes()]


@pytest.mark.parametrize("made", [False, True], ids=["missing", "empty"])
def test_a_run_without_evidence_has_no_folder_for_it(tmp_path: Path, signer: Signer, made: bool) -> None:
    evidence = tmp_path / "evidence"
    if made:
        evidence.mkdir()
    folder = publish.write(run(), tmp_path / "out", signer=signer, evidence=evidence)
    assert not (folder / "evidence").exists()


def test_runs_are_on_the_disk_before_the_log_has_them(tmp_path: Path, signer: Signer) -> None:
    log, out = RunLog(tmp_path / "log", signer.key, "meshwg-gate/test"), tmp_path / "out"
    with log.opened() as opened:
        began = opened.append(Began("2026-03-01T12:30:59Z", "quick", 7, SOFTWARE.subject)).index
    evidence = tmp_path / "evidence" / "hub"
    evidence.mkdir(parents=True)
    (evidence / "hub.pcap").write_bytes(b"packets")
    disk, synced = Disk(tmp_path), list[Path]()

    def on_sync(path: Path) -> Callable[[], None] | None:
        synced.append(path.readlink())
        return disk.on_sync(path)

    folder = watched(
        lambda: publish.write(
            msgspec.structs.replace(run(), tested=SOFTWARE),
            out, signer=signer, log=log, began=began, evidence=evidence.parent, events=b"events",
        ),
        on_sync,
    )  # fmt: skip
    first = next(place for place, path in enumerate(synced) if path.is_relative_to(tmp_path / "log"))
    before = {path.name for path in synced[:first]}
    assert before >= {*FILES, recording.NAME, "hub.pcap", "hub", "evidence"}
    disk.cut()
    assert (out / "latest").resolve() == folder.resolve()
    assert verifying.verify(folder).checkpoint is not None
    assert (folder / "evidence" / "hub" / "hub.pcap").read_bytes() == b"packets"
