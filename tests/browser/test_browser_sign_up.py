"""The network range of a sign-up is refused beside its field, or accepted with a warning."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.appliance.members import PASSWORD
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long


@pytest.mark.drawn("width")
@pytest.mark.parametrize("width", [360, 1200])
def test_a_range_common_in_homes_gives_a_warning(open_desk: Callable[..., Desk], width: int) -> None:
    desk = open_desk(width=width)
    page = desk.page
    desk.open("/signup")
    page.get_by_label("Organization").fill("Acme")
    page.get_by_label("E-mail address").fill(f"home{width}@example.net")
    page.get_by_label("Password").fill(PASSWORD)
    network = page.get_by_label("Network")
    network.fill("192.168.1.0/255.255.255.0")
    page.get_by_role("button", name="Sign up").click()
    expect(network).to_have_attribute("aria-invalid", "true")
    expect(network).to_have_value("192.168.1.0/255.255.255.0")
    expect(network).to_have_accessible_description(re.compile("not an IPv4 range like 10.100.0.0/16"))

    network.fill("192.168.1.0/24")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url("**/machines")
    expect(page.get_by_text("Many home networks have addresses of this range (192.168.1.0/24)")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("link", name="delete this organization").click()
    expect(page.get_by_role("heading", name="Delete the organization")).to_be_in_viewport()
    desk.add_machine("first")
    desk.open("/machines")
    expect(page.get_by_text("Many home networks")).to_have_count(0)
