"""Times are shown in the reader's zone and language; without scripts they stay in UTC, which is said."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from appliance.web.languages import COOKIE
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long

UTC = re.compile(r"UTC$")


def test_times_are_in_the_reader_s_zone(browser: Browser, url: str) -> None:
    context = browser.new_context(ignore_https_errors=True, timezone_id="Asia/Kolkata", locale="hi-IN")
    desk = Desk(context.new_page(), url)
    # Forms are filled in by their English labels.
    context.add_cookies([{"name": COOKIE, "value": "en", "url": url}])
    desk.sign_up("zone@example.net", "Zone")
    desk.add_machine("zoned")
    context.clear_cookies(name=COOKIE)
    desk.open("/settings")
    time = desk.page.locator("time").first
    expect(time).to_have_attribute("title", UTC)
    shown = time.evaluate(
        "element => [element.textContent, new Intl.DateTimeFormat('hi-IN', {dateStyle: 'medium', timeStyle: 'short',"
        " timeZone: 'Asia/Kolkata'}).format(new Date(element.dateTime))]"
    )
    assert shown[0] == shown[1]
    expect(desk.page.locator("html")).to_have_attribute("lang", "hi")
    assert desk.complaints == []
    context.close()


def test_without_scripts_times_are_in_utc(browser: Browser, url: str) -> None:
    context = browser.new_context(ignore_https_errors=True, timezone_id="Asia/Kolkata", java_script_enabled=False)
    desk = Desk(context.new_page(), url)
    desk.sign_up("utc@example.net", "UTC")
    desk.open("/settings")
    expect(desk.page.locator("time").first).to_have_text(UTC)
    context.close()
