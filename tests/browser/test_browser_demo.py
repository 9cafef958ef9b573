"""The page of the demonstration in a browser: live by itself, and whole without scripts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.appliance.demonstrated import FakeLab
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long

_DENY = "Deny udp 514 from branch-pune to database"


def test_a_visitor_denies_a_stream_and_sees_it_stop(open_desk: Callable[..., Desk], demonstration: FakeLab) -> None:
    desk = open_desk()
    desk.open("/")
    desk.page.get_by_role("link", name="See it live").click()
    row = desk.page.locator("#demo-streams tbody tr").nth(1)
    expect(row).to_contain_text("going")
    button = desk.page.get_by_role("button", name=_DENY)
    button.click()
    expect(row).to_contain_text("enforced in")
    button.focus()
    demonstration.clock.now += 2 * 10**9
    demonstration.arrive(0, 2)
    # Without a reload, and the focus stays where it was.
    expect(row).to_contain_text("stopped")
    expect(row).to_contain_text("No packet has arrived since the answer.")
    expect(button).to_be_focused()


def test_without_scripts_a_reload_shows_it(open_desk: Callable[..., Desk], demonstration: FakeLab) -> None:
    desk = open_desk(scripts=False)
    desk.open("/demo")
    row = desk.page.locator("#demo-streams tbody tr").nth(1)
    desk.page.get_by_role("button", name=_DENY).click()
    # A reload on the way to the answer would be one of the page before.
    expect(row).to_contain_text("enforced in")
    demonstration.clock.now += 2 * 10**9
    demonstration.arrive(0, 2)
    desk.page.reload()
    expect(row).to_contain_text("deny stopped 0 2 seconds ago")
