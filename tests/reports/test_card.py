"""Cards of runs: pictures that say whether the gate passes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from reports import card
from tests.reports.samples import run


@pytest.mark.parametrize(("verdict", "is_green"), [("pass", True), ("fail", False)])
@pytest.mark.parametrize("hub", [None, "tests.hubs.bare:Bare" * 20])
def test_a_card_has_the_verdict_s_colour_and_text(verdict: str, is_green: bool, hub: str | None) -> None:
    content = card.png(run(verdict=verdict, hub=hub))
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.size) == ("PNG", card.SIZE)
        whole = picture.convert("RGB")
    pixel = whole.getpixel((4, 4))
    assert isinstance(pixel, tuple)
    assert (pixel[1] > pixel[0]) is is_green
    # Each line of text has ink, and none reaches the right edge.
    for top in (80, 148, 236, 380, 452, 546):
        line = whole.crop((88, top, card.SIZE[0] - 40, top + 60)).convert("L")
        assert line.getextrema()[0] < 140  # type: ignore[operator]
        assert whole.crop((card.SIZE[0] - 40, top, card.SIZE[0], top + 60)).convert("L").getextrema()[0] > 240  # type: ignore[operator]
    assert len(content) < 60_000
