"""From an added machine to its tunnel in a real browser, with the real service and a stock WireGuard client."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from harness.judging.record import Record
from harness.world.world import PASSWORD, World
from netlab import wg_quick

pytestmark = pytest.mark.long

OWNER = "asha@example.net"


def test_a_page_notices_a_real_machine_and_pings_it(browser: Browser) -> None:
    with World() as world:
        world.organization(Record(), "Acme Networks", email=OWNER)
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.goto(f"{world.subject.service.url}/login")
        page.get_by_label("E-mail address").fill(OWNER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/machines")
        page.get_by_label("Name").fill("mumbai")
        page.get_by_role("button", name="Add machine").click()
        connection, result = page.locator("#connection"), page.locator("#ping-result")
        expect(connection).to_contain_text("None has come yet")
        page.get_by_role("button", name="Ping it from the hub").click()
        expect(result).to_contain_text("No answer")

        wg_quick(world.client("mumbai"), page.locator("pre#text").text_content() or "", "mesh.conf")
        expect(connection).to_contain_text("Connected since")
        page.get_by_role("button", name="Ping it from the hub").click()
        expect(result).to_contain_text("It answered after")
        context.close()
