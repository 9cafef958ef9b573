"""Live page of a run, in a browser: it changes by itself, or by reloading, and ends as the run's verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import expect

from reports.addresses import listen
from reports.events.board import Board
from reports.events.format import AnyEvent, ScenarioPlanned
from reports.events.server import LivePage
from tests.browser.conftest import Desk
from tests.reports.events.samples import (
    BEGUN,
    BREAKS,
    FIGURES,
    FLOWS,
    NOTICED,
    PASSES,
    PLANNED,
    PROVEN,
    RUNS,
    SAVED,
    STREAMED,
)

pytestmark = pytest.mark.long

NARROW = 360
_FOCUSED = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.hash"


@pytest.fixture
def live() -> Iterator[LivePage]:
    """Provides the page of a run that has begun."""
    with LivePage(listen("127.0.0.1", 0), Board()) as page:
        page.board.apply(BEGUN)
        yield page


def apply(live: LivePage, *events: AnyEvent) -> None:
    """Lets events happen."""
    for event in events:
        live.board.apply(event)


def on_the_page(open_desk: Callable[..., Desk], live: LivePage, **options: object) -> Desk:
    """Opens the live page, from no site but itself."""
    desk = open_desk(**options)
    desk.page.goto(live.url)
    return desk


@pytest.mark.drawn("width", "dark")
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (NARROW, True)])
def test_a_scenario_runs_and_is_proven_and_a_sabotage_noticed(
    open_desk: Callable[..., Desk], live: LivePage, tmp_path: Path, width: int, dark: bool
) -> None:
    page = on_the_page(open_desk, live, width=width, dark=dark).page
    expect(page.get_by_role("status")).to_have_text("This page is live.")
    # A new row makes the page load itself again.
    live.board.apply(PLANNED)
    scenario = page.get_by_role("row", name="It works.")
    expect(scenario.get_by_role("cell").first).to_have_text("planned")
    page.evaluate("window.stays = true")
    apply(live, RUNS, BREAKS, FLOWS, SAVED, FIGURES)
    expect(scenario.get_by_role("cell").first).to_have_text("running")
    expect(scenario).to_contain_text("mumbai→pune: 1 500 sent, 1 234 delivered, 266 sent while denied")
    expect(page.locator("#now")).to_have_text("Running: test_x, flush-then-load.")
    sabotage = page.get_by_role("row", name="the old rules go before the new ones come")
    expect(sabotage.get_by_role("cell").first).to_have_text("running")
    apply(live, STREAMED, PROVEN, NOTICED)
    expect(scenario.get_by_role("cell").first).to_have_text("proven")
    expect(sabotage.get_by_role("cell").first).to_have_text("noticed")
    expect(page.get_by_text("The gate is running")).to_be_visible()
    live.board.apply(PASSES)
    (tmp_path / "transcript.html").write_text("<!doctype html><title>The transcript</title><p>proven</p>")
    live.link(tmp_path)
    expect(page.get_by_text("The gate passes")).to_be_visible()
    expect(page).to_have_title("MeshWG gate passes")
    expect(page.get_by_role("status")).to_have_text("The run has ended.")
    # All of it happened on one page.
    assert page.evaluate("window.stays")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("link", name="The transcript of this run").click()
    expect(page).to_have_title("The transcript")


def test_without_scripts_the_page_reloads_itself(open_desk: Callable[..., Desk], live: LivePage) -> None:
    page = on_the_page(open_desk, live, scripts=False).page
    apply(live, PLANNED, RUNS)
    scenario = page.get_by_role("row", name="It works.")
    expect(scenario.get_by_role("cell").first).to_have_text("running")
    live.board.apply(PROVEN)
    expect(scenario.get_by_role("cell").first).to_have_text("proven")


def test_a_lost_connection_is_said(open_desk: Callable[..., Desk], live: LivePage) -> None:
    desk = on_the_page(open_desk, live)
    expect(desk.page.get_by_role("status")).to_have_text("This page is live.")
    live.__exit__(None, None, None)
    expect(desk.page.get_by_role("status")).to_have_text("The connection is lost. It is tried again.")
    desk.complaints[:] = [each for each in desk.complaints if "ERR_CONNECTION_REFUSED" not in each]


def test_the_keyboard_reaches_links_and_wide_tables(open_desk: Callable[..., Desk], live: LivePage) -> None:
    apply(live, RUNS, BREAKS)
    page = on_the_page(open_desk, live, width=NARROW).page
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(_FOCUSED))
    assert reached == ["#s0", "#b0", "scenarios of live-change", "sabotages"]
    # A change of a row takes the focus from nobody.
    live.board.apply(PROVEN)
    expect(page.get_by_role("cell", name="proven")).to_be_attached()
    assert page.evaluate(_FOCUSED) == "sabotages"


def test_hostile_names_stay_text(open_desk: Callable[..., Desk], live: LivePage) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202e" + "W" * 200
    page = on_the_page(open_desk, live, width=NARROW).page
    live.board.apply(ScenarioPlanned(claim=hostile, scenario=hostile, title=hostile))
    state = page.get_by_role("group", name="scenarios of <img").get_by_role("cell").first
    expect(state).to_have_text("planned")
    live.board.apply(replace(RUNS, claim=hostile, scenario=hostile, title=hostile))
    live.board.apply(replace(FLOWS, claim=hostile, scenario=hostile, stream=hostile))
    expect(state).to_have_text("running")
    assert page.locator("img, body script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
