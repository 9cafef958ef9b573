"""The pictures of the documentation exist, of every page, and the program that takes them works."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from reports.events import recording
from reports.events.format import encode
from tests.appliance.published import written
from tests.browser import example, gallery, screenshots
from tests.browser.gallery import PICTURES
from tests.reports.events.samples import RUN

pytestmark = pytest.mark.long

_PIXELS = tuple(side * screenshots.SCALE for side in screenshots.SIZE)
_MOST_BYTES = 200_000
_MOST_BYTES_OF_ALL = 8_000_000


@pytest.fixture(scope="module")
def folder(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes the pictures; returns their folder."""
    made = tmp_path_factory.mktemp("screenshots")
    run = written(tmp_path_factory.mktemp("run") / "out", "2026-03-01T12:00:00Z")
    (run / recording.NAME).write_bytes(b"".join(map(encode, RUN)))
    screenshots.take(browser, run, made)
    return made


@pytest.mark.full
@pytest.mark.parametrize("name", [screenshots.POLICY, screenshots.TRANSCRIPT, screenshots.LIVE])
def test_pictures_are_taken_as_those_of_the_repository(folder: Path, name: str) -> None:
    for file in (folder / name, screenshots.FOLDER / name):
        with Image.open(file) as picture:
            assert (picture.format, picture.size) == ("PNG", _PIXELS)
            # More than one colour: a page that did not load is white.
            assert len(picture.getcolors() or ()) > 8
        assert file.stat().st_size < _MOST_BYTES


def test_every_page_has_a_picture() -> None:
    pictured = {picture.route for picture in PICTURES if picture.route}
    assert gallery.routes() - pictured == set(), "tests/browser/gallery.py has no picture of these pages"
    assert pictured - gallery.routes() == set(), "there are no such pages"


def test_the_folder_has_the_pictures_that_the_index_shows() -> None:
    files = sorted(file for picture in PICTURES for file in picture.files)
    assert len(set(files)) == len(files)
    assert sorted(file.name for file in screenshots.FOLDER.glob("*.webp")) == files
    assert (screenshots.FOLDER / gallery.INDEX).read_text() == gallery.index()
    assert sum((screenshots.FOLDER / file).stat().st_size for file in files) < _MOST_BYTES_OF_ALL


@pytest.mark.full
def test_a_page_is_taken_in_both_themes_and_widths(browser: Browser, tmp_path: Path) -> None:
    chosen = next(picture for picture in PICTURES if picture.name == "policy-expectations")
    with example.running(tmp_path) as shown:
        gallery.take(browser, shown, tmp_path / "pictures", (chosen,))
    assert {file.name for file in (tmp_path / "pictures").iterdir()} == set(chosen.files)
    corners = []
    for file in chosen.files:
        with Image.open(tmp_path / "pictures" / file) as made, Image.open(screenshots.FOLDER / file) as kept:
            assert (made.width, made.format) == (kept.width, kept.format) == (int(file.split("-")[-2]), "WEBP")
            corners.append(made.convert("1").getpixel((2, 2)))
    assert corners == [255, 0, 255, 0]
