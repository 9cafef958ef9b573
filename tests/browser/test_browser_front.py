"""The public pages, as a prospect's browser shows them, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from appliance.service.transcripts import PublishedRuns
from tests.appliance.published import ALL, BOUND, written
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long


@pytest.mark.drawn("width", "dark")
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (360, True)])
def test_the_price_is_calculated_by_keyboard_without_scripts(
    open_desk: Callable[..., Desk], width: int, dark: bool
) -> None:
    desk = open_desk(width=width, dark=dark, scripts=False)
    desk.open("/")
    page = desk.page
    page.get_by_role("link", name="Price").focus()
    page.keyboard.press("Enter")
    field = page.get_by_role("textbox", name="Machines")
    expect(field).to_be_in_viewport()
    field.focus()
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("12 machines: ₹4,188 a month")
    # The answer is where the question was, and not at the top of the page.
    expect(page.get_by_role("status")).to_be_in_viewport()
    field.fill("none")
    page.get_by_role("button", name="Calculate").click()
    expect(page.get_by_text("An organization has 1 to 10,000 machines.")).to_be_in_viewport()
    expect(field).to_have_attribute("aria-invalid", "true")


def test_a_reader_gets_from_a_claim_to_its_place_in_a_run(
    open_desk: Callable[..., Desk], shelf: PublishedRuns, tmp_path: Path
) -> None:
    run = shelf.publish(written(tmp_path / "out", "2026-03-09T12:00:00Z"))
    desk = open_desk(scripts=False)
    desk.open("/")
    page = desk.page
    page.locator(f"a[href='/claims/{ALL[0]}']").click()
    expect(page.get_by_text(BOUND)).to_be_visible()
    page.get_by_role("link", name="s page").click()
    page.wait_for_url(f"**/transcripts/{run.id}/transcript.html#{ALL[0]}")
    expect(page.locator(f"#{ALL[0]}").get_by_text("1 scenario in")).to_be_in_viewport()
    # What looks for elements is a script, too, which the run's page does not allow.
    desk.complaints[:] = [each for each in desk.complaints if not each.startswith("Blocked script execution")]


@pytest.mark.drawn("dark")
@pytest.mark.parametrize("dark", [False, True])
def test_drawings_have_names_and_readable_words(open_desk: Callable[..., Desk], dark: bool) -> None:
    desk = open_desk(width=360, height=740, dark=dark, scripts=False)
    desk.open("/")
    drawings = desk.page.get_by_role("img")
    expect(drawings).to_have_count(2)
    for drawing in drawings.all():
        assert drawing.get_attribute("aria-label")
        for word in drawing.locator("text").all():
            box = word.bounding_box()
            assert box is not None
            assert box["height"] >= 11
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 360
