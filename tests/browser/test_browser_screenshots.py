"""The pictures of the documentation exist, and the program that takes them works."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from reports.events import recording
from reports.events.format import encode
from tests.appliance.published import written
from tests.browser import screenshots
from tests.reports.events.samples import RUN

_PIXELS = tuple(side * screenshots.SCALE for side in screenshots.SIZE)
_MOST_BYTES = 200_000


@pytest.fixture(scope="module")
def folder(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes the pictures; returns their folder."""
    made = tmp_path_factory.mktemp("screenshots")
    run = written(tmp_path_factory.mktemp("run") / "out", "2026-03-01T12:00:00Z")
    (run / recording.NAME).write_bytes(b"".join(map(encode, RUN)))
    screenshots.take(browser, run, made)
    return made


@pytest.mark.parametrize("name", [screenshots.POLICY, screenshots.TRANSCRIPT, screenshots.LIVE])
def test_pictures_are_taken_as_those_of_the_repository(folder: Path, name: str) -> None:
    for file in (folder / name, screenshots.FOLDER / name):
        with Image.open(file) as picture:
            assert (picture.format, picture.size) == ("PNG", _PIXELS)
            # More than one colour: a page that did not load is white.
            assert len(picture.getcolors() or ()) > 8
        assert file.stat().st_size < _MOST_BYTES
