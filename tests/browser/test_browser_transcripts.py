"""A published run of the gate, as a customer's browser shows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from appliance.service.transcripts import PublishedRuns
from tests.appliance.published import ALL, EXHIBITS, written
from tests.browser.conftest import Desk


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (360, True)])
def test_a_transcript_is_drawn_under_a_restrictive_csp(
    open_desk: Callable[..., Desk], shelf: PublishedRuns, tmp_path: Path, width: int, dark: bool
) -> None:
    run = shelf.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    desk = open_desk(width=width, dark=dark)
    desk.open(f"/transcripts/{run.id}/transcript.html")
    page = desk.page
    assert desk.complaints == []
    figures = page.locator("figure")
    expect(figures).to_have_count(len(ALL) * len(EXHIBITS))
    drawings = page.get_by_role("img")
    expect(drawings).to_have_count(len(ALL) * 2)
    for drawing in drawings.all():
        box = drawing.bounding_box()
        assert box is not None
        assert box["height"] > 50
    # What is too wide for a phone is moved by itself, and the page is not.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colours = {
        name: page.locator(f"svg .{name}").first.evaluate("each => getComputedStyle(each).fill")
        for name in ("delivered", "missing", "denied", "save")
    }
    assert len(set(colours.values())) == len(colours)
    expect(page.get_by_role("cell", name="denied, dropped").first).to_be_visible()
    page.get_by_text("Each save, and what followed it").first.click()
    expect(page.get_by_role("cell", name="denied, 0 of 40 delivered").first).to_be_visible()
    # What looks for elements is a script, too: the policy stops it in one way, and the driver has another.
    desk.complaints[:] = [each for each in desk.complaints if not each.startswith("Blocked script execution")]
