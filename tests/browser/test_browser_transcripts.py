"""A published run of the gate, as a customer's browser shows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from appliance.model.claims import PUBLISHED
from appliance.service.transcripts import PublishedRuns
from tests.appliance.published import ALL, EXHIBITS, written
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long

_BLOCKED = "Blocked script execution"


def unfold(page: Page) -> None:
    """Opens everything that is folded, as a reader does: from the outside to the inside."""
    closed = page.locator("details:not([open]) > summary:visible")
    for _ in range(page.locator("details").count()):
        if not closed.count():
            break
        closed.first.click()
    expect(closed).to_have_count(0)


def forgive(desk: Desk) -> None:
    """Drops what the driver's own looks for elements cause: a sandboxed page runs no script, and says so."""
    desk.complaints[:] = [each for each in desk.complaints if not each.startswith(_BLOCKED)]


@pytest.mark.drawn("width", "dark")
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
    unfold(page)
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
    expect(page.get_by_role("cell", name="denied, 0 of 40 delivered").first).to_be_visible()
    forgive(desk)


@pytest.mark.drawn("width", "height", "screens")
@pytest.mark.parametrize(("width", "height", "screens"), [(1200, 900, 2), (360, 740, 5)])
def test_a_run_of_all_claims_is_a_page_of_few_screens(
    open_desk: Callable[..., Desk], shelf: PublishedRuns, tmp_path: Path, width: int, height: int, screens: int
) -> None:
    run = shelf.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z", claims=tuple(each.id for each in PUBLISHED)))
    desk = open_desk(width=width, height=height, scripts=False)
    desk.open(f"/transcripts/{run.id}/transcript.html")
    assert desk.page.evaluate("document.documentElement.scrollHeight") <= screens * height
    expect(desk.page.locator(".result")).to_be_in_viewport()
    expect(desk.page.locator(".claim > summary").first).to_be_in_viewport()
    unfold(desk.page)
    assert desk.page.evaluate("document.documentElement.scrollHeight") > 5 * screens * height
    forgive(desk)


def test_a_link_to_a_claim_unfolds_it_without_scripts(
    open_desk: Callable[..., Desk], shelf: PublishedRuns, tmp_path: Path
) -> None:
    run = shelf.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    desk = open_desk(scripts=False)
    desk.open(f"/transcripts/{run.id}/transcript.html#{ALL[1]}")
    opened, folded = (desk.page.locator(f"article#{name}") for name in (ALL[1], ALL[0]))
    expect(opened).to_be_in_viewport()
    expect(opened.get_by_text("1 scenario in")).to_be_visible()
    expect(folded.get_by_text("1 scenario in")).not_to_be_visible()
    # The keyboard folds it, and opens the other.
    summaries = desk.page.locator(".claim > summary")
    for summary in summaries.all():
        summary.focus()
        desk.page.keyboard.press("Enter")
    expect(opened.get_by_text("1 scenario in")).not_to_be_visible()
    expect(folded.get_by_text("1 scenario in")).to_be_visible()
    forgive(desk)


def test_a_print_of_a_transcript_is_unfolded(
    open_desk: Callable[..., Desk], shelf: PublishedRuns, tmp_path: Path
) -> None:
    run = shelf.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    desk = open_desk(width=800, dark=True, scripts=False)
    desk.open(f"/transcripts/{run.id}/transcript.html")
    cell = desk.page.get_by_text("denied, 0 of 40 delivered").first
    shown = "each => each.checkVisibility({contentVisibilityAuto: true}) && each.getBoundingClientRect().height"
    assert not cell.evaluate(shown)
    desk.page.emulate_media(media="print", color_scheme="dark")
    assert cell.evaluate(shown) > 10
    # On paper, dark text stands on white.
    assert desk.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert desk.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    forgive(desk)
