"""A customer's first day, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Desk

pytestmark = pytest.mark.long


def test_a_customer_s_first_day_works_in_a_browser(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    page = desk.page
    desk.sign_up("first@example.net")
    expect(page).to_have_title("Machines · MeshWG")

    desk.add_machine("branch-mumbai", "office")
    expect(page.get_by_text("This is shown once.")).to_be_visible()
    text = page.locator("pre").first.inner_text()
    assert text.startswith('# WireGuard config for machine "branch-mumbai"\n[Interface]\nPrivateKey          = ')
    expect(page.get_by_role("img", name="QR code of this configuration")).to_be_visible()

    with page.expect_download() as started:
        page.get_by_role("link", name="Download branch-mumbai.conf").click()
    assert started.value.suggested_filename == "branch-mumbai.conf"
    assert Path(started.value.path()).read_text(encoding="utf-8").strip() == text.strip()

    desk.add_machine("branch-pune")
    desk.add_machine("laptop")
    expect(page.get_by_role("alert")).to_contain_text("the free plan covers 2 machines")
    page.get_by_role("button", name="Switch to the paid plan…").click()
    expect(page.get_by_role("main")).to_contain_text("₹698 for a whole month")
    page.get_by_role("button", name="Switch to the paid plan").click()
    expect(page.get_by_role("status")).to_contain_text("The plan is switched.")
    expect(page.get_by_label("Name")).to_have_value("laptop")
    page.get_by_role("button", name="Add machine").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Added: laptop")

    page.get_by_role("link", name="Policy").click()
    page.get_by_label("Verdict").select_option("Deny")
    form = page.locator("form[action='/policy/rules']")
    form.get_by_label("From").select_option("branch-mumbai")
    form.get_by_label("To", exact=True).select_option("branch-pune")
    form.get_by_label("Also the other way round").check()
    form.get_by_role("button", name="Add rule").click()
    expect(page.get_by_role("status")).to_contain_text("The policy is saved, and the hub enforces it.")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text(re.compile(r"deny\s+branch-mumbai\s+branch-pune\s+everything"))
    expect(rows.nth(1)).to_contain_text(re.compile(r"deny\s+branch-pune\s+branch-mumbai\s+everything"))

    asked = page.locator("form[action^='/policy/check']")
    asked.get_by_label("From").select_option("branch-pune")
    asked.get_by_label("To", exact=True).select_option("branch-mumbai")
    asked.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("status")).to_contain_text("Denied from branch-pune to branch-mumbai")

    page.get_by_role("button", name=re.compile("Remove the rule: deny everything from branch-pune")).click()
    expect(rows).to_have_count(1)

    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("A private network through one hub · MeshWG")
    desk.open("/machines")
    expect(page).to_have_title("Sign in · MeshWG")


def test_an_organization_is_deleted(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    desk.sign_up("leaving@example.net", 'Leaving "Ltd" & <Sons>')
    desk.open("/settings")
    desk.page.get_by_label("To confirm, type the name of the organization").fill('Leaving "Ltd" & <Sons>')
    desk.page.get_by_role("button", name="Delete everything").click()
    expect(desk.page.get_by_role("heading", level=1)).to_have_text('Leaving "Ltd" & <Sons> is deleted')
    desk.open("/machines")
    expect(desk.page).to_have_title("Sign in · MeshWG")


def test_the_pages_work_with_the_keyboard_only(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    page = desk.page
    desk.open("/login")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"


def test_the_dark_colour_scheme_is_dark(open_desk: Callable[..., Desk]) -> None:
    brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    for dark in (False, True):
        desk = open_desk(dark=dark)
        desk.open("/")
        assert (max(desk.page.evaluate(brightness)) < 64) is dark
