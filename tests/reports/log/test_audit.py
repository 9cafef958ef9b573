"""Whole logs: every entry and tile is checked, and an earlier checkpoint has to be continued."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.log import hashtree
from reports.log.audit import audit
from reports.log.entries import Subject
from reports.log.folder import LogError, RunLog
from reports.log.notes import Checkpoint
from tests.properties import sharing_fixtures
from tests.reports.log.samples import KEY, STRANGER, began, ended, filled, log_in

PUBLIC = KEY.public_key()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> RunLog:
    """Makes a log that goes over the edge of a tile; tests that change it put it back."""
    return filled(tmp_path_factory.mktemp("kept"), 130)


def checkpoint(log: RunLog) -> Checkpoint:
    return Checkpoint.open((log.folder / "checkpoint").read_bytes(), PUBLIC)


def test_runs_are_listed_with_their_ends(tmp_path: Path) -> None:
    log = filled(tmp_path, 1)
    with log.opened() as opened:
        opened.append(began(5))
        opened.append(began(6))
        opened.append(ended(3, "fail"))
    found = audit(log.folder, PUBLIC)
    assert [(run.index, run.end, run.ended and run.ended.verdict) for run in found.runs] == [
        (0, 1, "pass"),
        (2, None, None),
        (3, 4, "fail"),
    ]


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (ended(1), "had not begun"),
        (ended(99), "had not begun"),
        (ended(0), "had ended"),
        (ended(2, subject=Subject(None, "b" * 64, "c" * 64)), "another subject"),
    ],
)
def test_an_end_belongs_to_one_begin(tmp_path: Path, end: object, why: str) -> None:
    log = filled(tmp_path, 1)
    with log.opened() as opened:
        opened.append(began())
        opened.append(end)  # type: ignore[arg-type]
    with pytest.raises(LogError, match=why):
        audit(log.folder, PUBLIC)


def test_a_log_extends_its_earlier_checkpoints(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    earlier = []
    for number in range(9):
        with log.opened() as opened:
            earlier.append(opened.checkpoint)
            opened.append(began(number))
    for each in earlier:
        assert audit(log.folder, PUBLIC, each).checkpoint.size == 9


def test_a_fork_is_noticed_by_a_later_checkpoint(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", 2)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    two = log_in(tmp_path / "two")
    for seed, log in enumerate((one, two)):
        with log.opened() as opened:
            opened.append(began(seed))
    with two.opened() as opened:
        opened.append(began(3))
    # Each is whole by itself.
    audit(one.folder, PUBLIC)
    audit(two.folder, PUBLIC)
    with pytest.raises(LogError, match="It was rewritten: its first 5 entries are others than they were"):
        audit(two.folder, PUBLIC, checkpoint(one))
    with pytest.raises(LogError, match="It was cut: it has 5 entries, and had 6"):
        audit(one.folder, PUBLIC, checkpoint(two))


def test_a_cut_is_noticed_by_a_later_checkpoint_alone(tmp_path: Path) -> None:
    log = filled(tmp_path, 2)
    shutil.copytree(log.folder, tmp_path / "early")
    with log.opened() as opened:
        opened.append(began())
    audit(tmp_path / "early", PUBLIC)
    with pytest.raises(LogError, match="was cut"):
        audit(tmp_path / "early", PUBLIC, checkpoint(log))


@pytest.mark.long
def test_another_key_or_log_is_refused(kept: RunLog) -> None:
    with pytest.raises(LogError, match="not signed by this key"):
        audit(kept.folder, STRANGER.public_key())
    with pytest.raises(LogError, match="It is another log"):
        audit(kept.folder, PUBLIC, replace(checkpoint(kept), origin="meshwg-gate/else"))


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/001.p/4"])
def test_a_missing_file_is_noticed(kept: RunLog, path: str) -> None:
    file = kept.folder / path
    content = file.read_bytes()
    try:
        file.unlink()
        with pytest.raises(LogError, match="missing"):
            audit(kept.folder, PUBLIC)
    finally:
        file.write_bytes(content)


@given(data=st.data())
@sharing_fixtures(150)
@pytest.mark.parametrize(
    "path",
    [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/4",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/4",
    ],
)
def test_every_changed_byte_is_noticed(kept: RunLog, path: str, data: st.DataObject) -> None:
    file = kept.folder / path
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    change: Callable[[], bytes] = data.draw(
        st.sampled_from(
            [
                lambda: whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :],
                lambda: whole[:place] + whole[place + 1 :],
                lambda: whole[:place] + b"0" + whole[place:],
                lambda: whole[:place],
            ]
        )
    )
    try:
        file.write_bytes(change())
        with pytest.raises(LogError):
            audit(kept.folder, PUBLIC)
    finally:
        file.write_bytes(whole)


def test_a_bundle_that_was_changed_with_its_tile_is_noticed(kept: RunLog) -> None:
    bundle, tile = (kept.folder / "tile" / path for path in ("entries/000", "0/000"))
    before = bundle.read_bytes(), tile.read_bytes()
    try:
        bundle.write_bytes(before[0].replace(b'"seed":5', b'"seed":6', 1))
        changed = bundle.read_bytes()
        entries, at = [], 0
        while at < len(changed):
            length = int.from_bytes(changed[at : at + 2], "big")
            entries.append(changed[at + 2 :][:length])
            at += 2 + length
        tile.write_bytes(b"".join(map(hashtree.leaf_hash, entries)))
        with pytest.raises(LogError, match="The tile 1/000 is another than its entries say"):
            audit(kept.folder, PUBLIC)
        assert tile.read_bytes() != before[1]
    finally:
        bundle.write_bytes(before[0])
        tile.write_bytes(before[1])
