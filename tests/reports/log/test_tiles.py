"""Tiles: the paths and contents that the specification names, from the first entry to a third level."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports import files
from reports.log import hashtree, tiles
from reports.log.tiles import TileError, Tiles


def entry(number: int) -> bytes:
    return f"entry {number}".encode()


def sizes(folder: Path) -> dict[str, int]:
    """Returns the sizes of all files, by path."""
    return {str(each.relative_to(folder)): each.stat().st_size for each in folder.rglob("*") if each.is_file()}


def laid_out(folder: Path, size: int) -> Tiles:
    """Writes a log of many entries at once: full tiles and the last partial ones, without the earlier ones."""
    entries = [entry(number) for number in range(size)]
    for (level, index), content in tiles.of_entries(entries).items():
        path = folder / "tile" / str(level) / tiles.place(index, len(content) // tiles.HASH)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for index in range(-(-size // tiles.WIDTH)):
        part = entries[index * tiles.WIDTH :][: tiles.WIDTH]
        path = folder / "tile" / "entries" / tiles.place(index, len(part))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(len(each).to_bytes(2, "big") + each for each in part))
    return Tiles(folder, size)


@pytest.mark.parametrize(
    ("index", "width", "path"),
    [
        (0, 256, "000"),
        (0, 5, "000.p/5"),
        (999, 256, "999"),
        (1000, 256, "x001/000"),
        (1234067, 256, "x001/x234/067"),
        (1234067, 255, "x001/x234/067.p/255"),
    ],
)
def test_paths_are_those_of_the_specification(index: int, width: int, path: str) -> None:
    assert tiles.place(index, width) == path


def test_the_specification_s_example_has_its_tiles(tmp_path: Path) -> None:
    laid_out(tmp_path, 70_000)
    found = sizes(tmp_path / "tile")
    partial = {path for path in found if ".p/" in path}
    assert partial == {"0/273.p/112", "1/001.p/17", "2/000.p/1", "entries/273.p/112"}
    assert sum(path.startswith("0/") and ".p/" not in path for path in found) == 273
    assert found["1/000"] == tiles.WIDTH * tiles.HASH


@pytest.mark.long
def test_a_log_grows_entry_by_entry_over_the_edge_of_a_tile(tmp_path: Path) -> None:
    log = Tiles(tmp_path, 0)
    for number in range(259):
        log = tiles.write_next(log, entry(number))
        leaves = [hashtree.leaf_hash(entry(each)) for each in range(number + 1)]
        assert Tiles(tmp_path, number + 1).root() == hashtree.root(len(leaves), hashtree.of_leaves(leaves))
        if number == 255:
            assert f"0/000.p/{number}" in sizes(tmp_path / "tile")
            tiles.drop_partials(log)
    whole = sizes(tmp_path / "tile")
    assert set(whole) == {
        "0/000",
        *(f"{kind}/001.p/{width}" for kind in ("0", "entries") for width in (1, 2, 3)),
        "1/000.p/1",
        "entries/000",
    }
    assert log.entries(0) + log.entries(1) == [entry(number) for number in range(259)]
    # An earlier size is read from the full tile, once its partial one is gone.
    assert Tiles(tmp_path, 77).entries(0) == [entry(number) for number in range(77)]


def test_the_third_level_begins_with_its_first_entry(tmp_path: Path) -> None:
    before = laid_out(tmp_path, tiles.WIDTH**2 - 1)
    after = tiles.write_next(before, entry(tiles.WIDTH**2 - 1))
    expected = tiles.of_entries([entry(number) for number in range(tiles.WIDTH**2)])
    assert (tmp_path / "tile/1/000").read_bytes() == expected[1, 0]
    assert (tmp_path / "tile/2/000.p/1").read_bytes() == expected[2, 0] == after.root()
    tiles.drop_partials(after)
    assert not (tmp_path / "tile/1/000.p").exists()


def test_an_entry_more_reads_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out(tmp_path, 70_000)
    read: list[Path] = []
    original = files.read_bounded

    def counted(path: Path, most: int) -> bytes:
        read.append(path)
        return original(path, most)

    monkeypatch.setattr(tiles, "read_bounded", counted)
    after = tiles.write_next(Tiles(tmp_path, 70_000), entry(70_000))
    after.root()
    assert len(read) <= 8, read


@pytest.mark.parametrize("path", ["0/000.p/3", "entries/000.p/3"])
@pytest.mark.parametrize("change", ["missing", "short", "long", "other"])
def test_a_changed_file_is_noticed(tmp_path: Path, path: str, change: str) -> None:
    log = Tiles(tmp_path, 0)
    for number in range(3):
        log = tiles.write_next(log, entry(number))
    root = log.root()
    file = tmp_path / "tile" / path
    content = file.read_bytes()
    if change == "missing":
        file.unlink()
    else:
        other = content[:-1] + bytes([content[-1] ^ 1])
        file.write_bytes({"short": content[:-1], "long": content + b"x", "other": other}[change])
    now = Tiles(tmp_path, 3)
    try:
        noticed = now.root() != root
        noticed = now.entries(0) != [entry(number) for number in range(3)] or noticed
    except TileError:
        noticed = True
    assert noticed
