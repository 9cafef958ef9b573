"""Every page fits on a phone, with the longest possible names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from appliance.service.transcripts import PublishedRuns
from tests.appliance.members import PASSWORD
from tests.appliance.published import ALL, written
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long

NARROW = 360
CLAIMS = ("/claims", f"/claims/{ALL[0]}")

# What is cut off at the right: nothing that can be seen may be, but within what scrolls by itself or shortens a text.
_BEYOND = """() => {
  const cuts = (each) => each && each !== document.documentElement
    && (getComputedStyle(each).overflowX !== "visible" || cuts(each.parentElement));
  return [...document.body.querySelectorAll("*")].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width && (box.right > window.innerWidth + 0.5 || box.left < -0.5)
      && !cuts(each.parentElement) && !each.closest(".unseen, .skip, svg");
  }).map((each) => each.outerHTML.slice(0, 120));
}"""


def check(desk: Desk, place: str) -> None:
    # A click returns when its answer begins; the document may still be empty.
    desk.page.wait_for_load_state()
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= NARROW, place
    assert desk.page.evaluate(_BEYOND) == [], place


def check_sign_out(desk: Desk) -> None:
    """Checks that the button to sign out is there, in one line."""
    box = desk.page.get_by_role("button", name="Sign out").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= NARROW
    assert box["height"] < 50
    assert box["width"] > 60


# One long word of the widest letter, and words of clusters and pictures that may be broken.
@pytest.mark.drawn("letter")
@pytest.mark.parametrize("letter", ["W", "मुं🦙 "])
def test_no_page_scrolls_sideways_however_long_names_are(
    open_desk: Callable[..., Desk], shelf: PublishedRuns, tmp_path: Path, letter: str
) -> None:
    long = (letter * 255)[:254].strip() + "x"
    desk = open_desk(width=NARROW, height=740)
    page = desk.page
    shelf.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    for path in (
        "/",
        "/?machines=x",
        "/docs/api",
        *CLAIMS,
        "/transcripts",
        "/login",
        "/signup",
        "/forgotten",
        "/nowhere",
    ):
        desk.open(path)
        check(desk, path)
    mark = ord(letter[0])
    desk.sign_up(f"{'n' * 60}{mark}{len(letter)}@{'e' * 60}.example.net", long)
    check_sign_out(desk)
    desk.add_machine(long, groups=f"{long}, office")
    check(desk, "the configuration")
    check_sign_out(desk)
    desk.open("/policy")
    form = page.locator("form[action='/policy/rules']")
    form.get_by_label("From").select_option(label=long)
    form.get_by_label("To", exact=True).select_option(value=f"group:{long}")
    form.get_by_label("Description").fill((letter * 400)[:400])
    form.get_by_role("button", name="Add rule").click()
    expect(page.get_by_role("status")).to_be_visible()
    check(desk, "the policy after a save")
    page.get_by_role("link", name="Change the rule").click()
    check(desk, "a rule")
    for source in (f"group:{long}", "any"):
        desk.open("/policy/expectations")
        page.get_by_label("From", exact=True).select_option(value=source)
        page.get_by_label("To", exact=True).select_option(label=long)
        page.get_by_role("button", name="Add expectation").click()
    expect(page.get_by_role("status")).to_be_visible()
    check(desk, "the expectations")
    desk.open("/settings/tokens")
    page.get_by_label("Name").fill(long[:63].strip())
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("This is shown once.")).to_be_visible()
    check(desk, "a token")
    desk.open("/settings/people")
    page.get_by_label("E-mail address").fill(f"{'i' * 60}{mark}{len(letter)}@{'e' * 60}.example.net")
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    check(desk, "an invitation")
    guest = open_desk(width=NARROW, height=740)
    guest.page.goto(page.get_by_label("Link").inner_text())
    check(guest, "where an invitation leads")
    guest.page.get_by_label("Password").fill(PASSWORD)
    guest.page.get_by_role("button", name="Join").click()
    guest.page.wait_for_url("**/machines")
    check(guest, "the machines of a viewer")
    desk.open("/settings/people")
    page.get_by_role("rowheader").get_by_role("link").first.click()
    check(desk, "a member")
    desk.open("/settings")
    page.get_by_role("button", name="Switch to the paid plan…").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("paid plan?")
    check(desk, "another plan")
    desk.open("/account")
    page.locator("#second-factor-password").fill(PASSWORD)
    page.get_by_role("button", name="Set up a second factor").click()
    expect(page.get_by_text("This is shown once.")).to_be_visible()
    check(desk, "a second factor")
    group = quote(f"group:{long}")
    for path in (
        "/machines",
        "/policy",
        "/policy/matrix",
        "/map",
        f"/policy/matrix?source={group}&destination={group}",
        "/policy/history",
        "/policy/history/1",
        "/audit",
        "/usage",
        "/settings",
        "/settings/people",
        "/settings/tokens",
        "/account",
        "/docs/api",
        "/nowhere",
    ):
        desk.open(path)
        check(desk, path)
        if path != "/nowhere":
            check_sign_out(desk)
    desk.open("/usage")
    page.get_by_role("rowheader").first.get_by_role("link").click()
    check(desk, "a month")
    desk.open("/machines")
    page.get_by_role("rowheader").first.get_by_role("link").click()
    check(desk, "one machine")
    for link in ("Remove this machine", "Make a new key", "Disable this machine"):
        page.get_by_role("link", name=re.compile(link)).click()
        check(desk, link)
        page.go_back()
    desk.open("/policy")
    page.locator("form[action^='/policy/check']").get_by_role("button", name="Ask").click()
    check(desk, "a verdict")
