"""Pages break no rule of WCAG that a program can check (axe), in light and dark, whole and unfolded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from appliance.service.transcripts import PublishedRuns
from tests.appliance.demonstrated import FakeLab
from tests.appliance.published import ALL, written
from tests.browser.axe import check
from tests.browser.conftest import Desk
from tests.browser.test_browser_transcripts import unfold

pytestmark = pytest.mark.long

# Contrast depends on the theme and layout on the width, so each of both is seen once.
_LOOKS = pytest.mark.parametrize(("width", "dark"), [(1200, False), (360, True)])
_PUBLIC = (
    "/",
    "/?machines=3",
    "/?machines=x",
    "/claims",
    f"/claims/{ALL[0]}",
    "/transcripts",
    "/docs/api",
    "/security",
    "/login",
    "/signup",
    "/forgotten",
    "/nowhere",
)
_MEMBERS = (
    "/machines",
    "/policy",
    "/policy/matrix",
    "/policy/default",
    "/map",
    "/policy/history",
    "/policy/expectations",
    "/audit",
    "/usage",
    "/settings",
    "/settings/people",
    "/settings/tokens",
    "/account",
)


def test_a_broken_rule_is_found_and_named(browser: Browser) -> None:
    page = browser.new_page()
    good = "<title>Machines</title><main><h1>Machines</h1><p>None yet.</p><img src='x' alt='A map'></main>"
    page.set_content(f"<html lang='en'>{good}</html>")
    check(page, "whole")
    page.set_content(f"<html lang='en'>{good}<img src='x'></html>")
    with pytest.raises(AssertionError, match=r"(?s)an image.*image-alt"):
        check(page, "an image")
    page.close()


@pytest.mark.drawn("width", "dark")
@_LOOKS
def test_public_pages_are_accessible(
    open_desk: Callable[..., Desk], shelf: PublishedRuns, tmp_path: Path, width: int, dark: bool
) -> None:
    shelf.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    shelf.publish(written(tmp_path / "out", "2026-03-02T12:00:00Z", "refuted", ALL[:1]))
    desk = open_desk(width=width, dark=dark)
    for path in _PUBLIC:
        desk.open(path)
        check(desk.page, path)


@pytest.mark.drawn("width", "dark")
@_LOOKS
def test_the_demonstration_is_accessible(
    open_desk: Callable[..., Desk], demonstration: FakeLab, width: int, dark: bool
) -> None:
    desk = open_desk(width=width, dark=dark)
    desk.open("/demo")
    desk.page.get_by_role("button", name="Deny udp").click()
    demonstration.clock.now += 2 * 10**9
    demonstration.arrive(0, 2)
    desk.open("/demo")
    check(desk.page, "/demo")
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.drawn("width", "dark")
@_LOOKS
@pytest.mark.parametrize("verdict", ["proven", "refuted"])
def test_a_transcript_is_accessible(
    open_desk: Callable[..., Desk], tmp_path: Path, width: int, dark: bool, verdict: str
) -> None:
    run = written(tmp_path / "out", "2026-03-01T12:00:00Z", verdict)
    desk = open_desk(width=width, dark=dark)
    # As a file: a service's page of it runs no scripts, and axe is one.
    desk.page.goto((run / "transcript.html").as_uri())
    check(desk.page, "folded")
    unfold(desk.page)
    check(desk.page, "unfolded")


@pytest.mark.drawn("width", "dark")
@_LOOKS
def test_a_member_s_pages_are_accessible(open_desk: Callable[..., Desk], width: int, dark: bool) -> None:
    desk = open_desk(width=width, dark=dark)
    desk.sign_up(f"axe-{width}-{dark}@example.net".lower(), f"Axe {width} {dark}")
    desk.add_machine("laptop-asha", groups="staff")
    check(desk.page, "a configuration")
    desk.add_machine("database", groups="databases")
    desk.open("/policy")
    form = desk.page.locator("form[action='/policy/rules']")
    form.get_by_label("From").select_option("staff")
    form.get_by_role("button", name="What would it change?").click()
    check(desk.page, "what a save would change")
    desk.page.get_by_role("button", name="Save it").click()
    desk.page.get_by_role("link", name="Change the rule").click()
    check(desk.page, "a rule")
    for path in ("/policy/matrix?source=group:staff&destination=others", "/policy/history/1"):
        desk.open(path)
        check(desk.page, path)
    for verdict in ("Allow", "Deny"):
        desk.open("/policy/expectations")
        desk.page.get_by_label("Verdict").select_option(verdict)
        desk.page.get_by_label("From", exact=True).select_option("databases")
        desk.page.get_by_role("button", name="Add expectation").click()
    for path in _MEMBERS:
        desk.open(path)
        check(desk.page, path)
    desk.open("/policy")
    desk.page.get_by_role("button", name="Deny by default").click()
    expect(desk.page.get_by_role("heading", level=1)).to_have_text("An expectation would be broken")
    check(desk.page, "a broken expectation")
