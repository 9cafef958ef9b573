"""Tiles and bundles of entries of a log, as files (https://c2sp.org/tlog-tiles)."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from reports.files import read_bounded, write_durably
from reports.log import hashtree

WIDTH = 256
"""Hashes of a full tile, and entries of a full bundle."""
HASH = 32
LARGEST_ENTRY = 4096
"""Most bytes of an entry here; the format has room for 65,535."""

_HEIGHT = 8
_LENGTH = struct.Struct(">H")


class TileError(Exception):
    """A file of a log is missing or not what it has to be; the message is one sentence."""


def place(index: int, width: int = WIDTH) -> str:
    """Returns the last part of a tile's path, such as `x001/x234/067` or `000.p/5`.

    Args:
        index: number of the tile in its level.
        width: hashes in it; fewer than 256 make it a partial one.
    """
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    return path if width == WIDTH else f"{path}.p/{width}"


def shapes(size: int) -> Iterable[tuple[int, int, int]]:
    """Yields level, index and width of the rightmost tile of each level, for a log of this size."""
    level, count = 0, size
    while count:
        yield level, (count - 1) // WIDTH, (count - 1) % WIDTH + 1
        level, count = level + 1, count // WIDTH


class Tiles:
    """The tiles of a log of a known size."""

    def __init__(self, folder: Path, size: int) -> None:
        """Reads nothing yet.

        Args:
            folder: folder of the log.
            size: number of its entries.
        """
        self.folder = folder / "tile"
        self.size = size
        self._read: dict[tuple[int, int], list[bytes]] = {}

    def hash(self, height: int, index: int) -> bytes:
        """Returns the hash of a complete subtree, from the tiles that hold it (`hashtree.Hashes`).

        Raises:
            TileError: a tile is missing or not what it has to be.
        """
        level, rest = divmod(height, _HEIGHT)
        first, count = index << rest, 1 << rest
        hashes = self.tile(level, first // WIDTH)[first % WIDTH :][:count]
        return hashtree.root(count, hashtree.of_leaves(hashes))

    def root(self, size: int | None = None) -> bytes:
        """Returns the root of the tree over the first entries; over all if no number is given.

        Raises:
            TileError: a tile is missing or not what it has to be.
        """
        return hashtree.root(self.size if size is None else size, self.hash)

    def tile(self, level: int, index: int) -> list[bytes]:
        """Returns the hashes of a tile.

        Raises:
            TileError: it is missing or not what it has to be.
        """
        if (level, index) not in self._read:
            width = self._width(level, index)
            content, written = self._content(str(level), index, width, WIDTH * HASH)
            if len(content) != written * HASH:
                raise TileError(f"The tile {level}/{place(index, width)} has {len(content)} bytes.")
            self._read[level, index] = [content[at * HASH :][:HASH] for at in range(width)]
        return self._read[level, index]

    def entries(self, index: int) -> list[bytes]:
        """Returns the entries of a bundle, each of which the tile beside it has the hash of.

        Raises:
            TileError: it is missing, or not what its tile says.
        """
        width = self._width(0, index)
        content, written = self._content("entries", index, width, WIDTH * (LARGEST_ENTRY + _LENGTH.size))
        found, at = [], 0
        while at < len(content):
            # A length that is cut off is none, and then there is an entry more than there has to be.
            length = int.from_bytes(content[at : at + _LENGTH.size], "big")
            found.append(content[at + _LENGTH.size :][:length])
            at += _LENGTH.size + length
        if at > len(content) or len(found) != written:
            raise TileError(f"The bundle {place(index, width)} has not {written} entries.")
        found = found[:width]
        if [hashtree.leaf_hash(each) for each in found] != self.tile(0, index):
            raise TileError(f"The bundle {place(index, width)} has other entries than its tile.")
        return found

    def _width(self, level: int, index: int) -> int:
        width = min(WIDTH, (self.size >> (_HEIGHT * level)) - index * WIDTH)
        if width < 1:
            raise TileError(f"A log of {self.size} has no tile {level}/{place(index)}.")
        return width

    def _content(self, kind: str, index: int, width: int, most: int) -> tuple[bytes, int]:
        """Content of a file and the width that it has to have; a partial one may be gone once there is the full one."""
        for written in dict.fromkeys((width, WIDTH)):
            name = place(index, written)
            try:
                return read_bounded(self.folder / kind / name, most), written
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise TileError(f"{self.folder / kind / name} can't be read: {error.strerror}.") from error
        raise TileError(f"{self.folder / kind / place(index, width)} is missing.")


def write_next(before: Tiles, entry: bytes) -> Tiles:
    """Writes the tiles and the bundle of a log with one entry more. What the log has already stays as it is.

    Args:
        before: tiles of the log without the entry.
        entry: the entry.

    Returns:
        Tiles of the log with it.

    Raises:
        TileError: a tile of the log is missing or not what it has to be.
        OSError: a file can't be written.
    """
    index, width = divmod(before.size, WIDTH)
    entries = [*(before.entries(index) if width else []), entry]
    after = Tiles(before.folder.parent, before.size + 1)
    bundle = b"".join(_LENGTH.pack(len(each)) + each for each in entries)
    write_durably(after.folder / "entries" / place(index, width + 1), bundle)
    carried = hashtree.leaf_hash(entry)
    for level, index, width in shapes(after.size):
        hashes = [*before.tile(level, index), carried] if width > 1 else [carried]
        write_durably(after.folder / str(level) / place(index, width), b"".join(hashes))
        if width < WIDTH:
            break
        carried = hashtree.root(WIDTH, hashtree.of_leaves(hashes))
    return after


def drop_partials(tiles: Tiles) -> None:
    """Removes the partial tiles and bundles in whose place the log has just got full ones."""
    for level, index, width in shapes(tiles.size):
        if width < WIDTH:
            break
        for kind in (str(level), *(["entries"] if level == 0 else [])):
            shutil.rmtree(tiles.folder / kind / f"{place(index)}.p", ignore_errors=True)


def of_entries(entries: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """Returns the content of all tiles of a log with these entries, by level and index."""
    found: dict[tuple[int, int], bytes] = {}
    level, hashes = 0, [hashtree.leaf_hash(each) for each in entries]
    while hashes:
        rows = [hashes[at : at + WIDTH] for at in range(0, len(hashes), WIDTH)]
        found |= {(level, index): b"".join(row) for index, row in enumerate(rows)}
        hashes = [hashtree.root(WIDTH, hashtree.of_leaves(row)) for row in rows if len(row) == WIDTH]
        level += 1
    return found
