"""A check of a whole log: every entry, every tile, and an earlier checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reports.log import entries, folder, tiles
from reports.log.entries import Began, Ended, Entry, EntryError
from reports.log.folder import CHECKPOINT, LogError
from reports.log.notes import Checkpoint
from reports.log.tiles import TileError, Tiles


@dataclass(frozen=True)
class Run:
    """A run in the log.

    Attributes:
        index: index of the entry about its begin.
        began: that entry.
        end: index of the entry about its end; None if it has none.
        ended: that entry; None for a run that was broken off, or still goes on.
    """

    index: int
    began: Began
    end: int | None = None
    ended: Ended | None = None


@dataclass(frozen=True)
class Audit:
    """A log that was checked.

    Attributes:
        checkpoint: its checkpoint.
        runs: its runs, in the order of their begins.
    """

    checkpoint: Checkpoint
    runs: Sequence[Run]


def audit(place: Path, key: Ed25519PublicKey, before: Checkpoint | None = None) -> Audit:
    """Checks every entry and every tile of a log.

    Args:
        place: folder of the log.
        key: public key of the log.
        before: an earlier checkpoint, which the log has to extend.

    Raises:
        LogError: it was damaged, cut or rewritten, or is another log.
    """
    now = folder.read_checkpoint(place / CHECKPOINT, key)
    if now is None:
        raise LogError(f"{place / CHECKPOINT} is missing.")
    log = Tiles(place, now.size)
    try:
        contents = list(_contents(log))
        for (level, index), content in tiles.of_entries(contents).items():
            if b"".join(log.tile(level, index)) != content:
                raise LogError(f"The tile {level}/{tiles.place(index)} is another than its entries say.")
        if log.root() != now.root:
            raise LogError("Its entries are others than its checkpoint says.")
    except TileError as error:
        raise LogError(str(error)) from error
    if before is not None:
        folder.check_extends(log, now, before)
    return Audit(now, _runs([_decoded(index, content) for index, content in enumerate(contents)]))


def _contents(log: Tiles) -> Iterator[bytes]:
    for index in range(-(-log.size // tiles.WIDTH)):
        yield from log.entries(index)


def _decoded(index: int, content: bytes) -> Entry:
    try:
        return entries.decode(content)
    except EntryError as error:
        raise LogError(f"The entry {index} is no entry about a run.") from error


def _runs(found: Sequence[Entry]) -> list[Run]:
    runs: dict[int, Run] = {}
    for index, entry in enumerate(found):
        if isinstance(entry, Began):
            runs[index] = Run(index, entry)
            continue
        run = runs.get(entry.began)
        if run is None or run.ended is not None:
            raise LogError(f"The entry {index} is about the end of a run that had not begun, or had ended.")
        if entry.subject != run.began.subject:
            raise LogError(f"The entry {index} is about another subject than the begin of its run.")
        runs[entry.began] = Run(run.index, run.began, index, entry)
    return list(runs.values())
