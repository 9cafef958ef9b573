"""Logs that were damaged, cut or rewritten are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reports import files
from reports.log import tiles
from reports.log.folder import LogError, RunLog
from reports.log.notes import Checkpoint
from tests.reports.log.samples import KEY, STRANGER, append, contents, filled, log_in


def swap_entries(log: RunLog) -> None:
    path = log.folder / "tile/entries/000.p/6"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"seed":1', b'"seed":9'))


def truncate_tile(log: RunLog) -> None:
    path = log.folder / "tile/0/000.p/6"
    path.write_bytes(path.read_bytes()[:-1])


def reorder_tile(log: RunLog) -> None:
    path = log.folder / "tile/0/000.p/6"
    content = path.read_bytes()
    path.write_bytes(content[32:64] + content[:32] + content[64:])


def remove_tile(log: RunLog) -> None:
    (log.folder / "tile/0/000.p/6").unlink()


def remove_bundle(log: RunLog) -> None:
    (log.folder / "tile/entries/000.p/6").unlink()


def remove_checkpoint(log: RunLog) -> None:
    (log.folder / "checkpoint").unlink()


def remove_all(log: RunLog) -> None:
    shutil.rmtree(log.folder)


def break_checkpoint(log: RunLog) -> None:
    (log.folder / "checkpoint").write_bytes(b"")


def claim_another_size(log: RunLog) -> None:
    path = log.folder / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n6\n", b"\n5\n"))


def cut(log: RunLog) -> None:
    now = Checkpoint.open((log.folder / "checkpoint").read_bytes(), KEY.public_key())
    size = 4
    root = tiles.Tiles(log.folder, size).root()
    (log.folder / "checkpoint").write_bytes(Checkpoint(now.origin, size, root).sign(KEY))


def signed_by_a_stranger(log: RunLog) -> None:
    now = Checkpoint.open((log.folder / "checkpoint").read_bytes(), KEY.public_key())
    (log.folder / "checkpoint").write_bytes(now.sign(STRANGER))


def another_log(log: RunLog) -> None:
    shutil.rmtree(log.folder)
    other = filled(log.folder.parent / "other", 4)
    shutil.copytree(other.folder, log.folder)


def rewrite(log: RunLog) -> None:
    """Writes a log of the same name with another history, by whoever has the key."""
    now = Checkpoint.open((log.folder / "checkpoint").read_bytes(), KEY.public_key())
    shutil.rmtree(log.folder)
    made = tiles.Tiles(log.folder, 0)
    for number in range(8):
        made = tiles.write_next(made, b'{"kind":"began"}' + bytes([number]))
    (log.folder / "checkpoint").write_bytes(Checkpoint(now.origin, 8, made.root()).sign(KEY))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (swap_entries, "other entries than its tile"),
        (truncate_tile, "has 191 bytes"),
        (reorder_tile, "others than its checkpoint says"),
        (remove_tile, "is missing"),
        (remove_bundle, "is missing"),
        (remove_checkpoint, "checkpoint is gone"),
        (remove_all, "checkpoint is gone"),
        (break_checkpoint, "is not the checkpoint"),
        (claim_another_size, "is not the checkpoint"),
        (cut, "It was cut: it has 4 entries, and had 6"),
        (signed_by_a_stranger, "not signed by this key"),
        (another_log, "It is another log"),
        (rewrite, "It was rewritten"),
    ],
)
def test_a_changed_log_is_refused_and_left_as_it_is(log: RunLog, change: Callable[[RunLog], None], why: str) -> None:
    change(log)
    before = contents(log)
    with pytest.raises(LogError, match=why) as refused:
        append(log)
    assert "can't be trusted any more" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert contents(log) == before


def test_an_old_part_that_is_damaged_is_noticed_in_turn(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    made = tiles.Tiles(log.folder, 0)
    with log.opened() as opened:
        origin = opened.checkpoint.origin
    content = b'{"kind":"began","at":"","profile":"","seed":1}'
    # The tiles of many entries at once: one by one takes too long.
    every = [content] * 1030
    for (level, index), hashes in tiles.of_entries(every).items():
        path = log.folder / "tile" / str(level) / tiles.place(index, len(hashes) // tiles.HASH)
        files.write_durably(path, hashes)
    for index in range(5):
        part = every[index * 256 :][:256]
        path = log.folder / "tile/entries" / tiles.place(index, len(part))
        files.write_durably(path, b"".join(len(each).to_bytes(2, "big") + each for each in part))
    made = tiles.Tiles(log.folder, len(every))
    (log.folder / "checkpoint").write_bytes(Checkpoint(origin, len(every), made.root()).sign(KEY))
    append(log)
    damaged = log.folder / "tile/entries/002"
    damaged.write_bytes(damaged.read_bytes().replace(b'"seed":1', b'"seed":2', 1))
    refusals = []
    for _ in range(4):
        try:
            append(log)
        except LogError as error:
            refusals.append(str(error))
    assert refusals
    assert all("other entries than its tile" in each for each in refusals)
