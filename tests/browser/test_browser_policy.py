"""The policy's pages in a browser: rules are changed with the keyboard, and the table of who reaches whom is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.axe import check
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long

NARROW = 360


def with_rules(desk: Desk, email: str) -> None:
    """Signs up, and adds two machines and a rule that denies SSH from the office."""
    desk.sign_up(email)
    desk.add_machine("branch-mumbai", "office")
    desk.add_machine("branch-pune", "servers")
    desk.open("/policy")
    form = desk.page.locator("form[action='/policy/rules']")
    form.get_by_label("From").select_option("office")
    form.get_by_label("To", exact=True).select_option("servers")
    form.get_by_label("Protocol").select_option("TCP")
    form.get_by_label("Ports").fill("22")
    form.get_by_role("button", name="Add rule").click()
    expect(desk.page.get_by_role("status")).to_contain_text("Enforcing it took")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_rule_is_changed_with_the_keyboard(open_desk: Callable[..., Desk], scripts: bool) -> None:
    desk = open_desk(scripts=scripts)
    page = desk.page
    with_rules(desk, f"keyboard-{scripts}@example.net")
    page.get_by_role("link", name="Change the rule: deny TCP, port 22").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("A rule")
    page.get_by_label("Ports").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("22,443")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The policy is saved, and the hub enforces it.")
    expect(page.locator("tbody tr")).to_contain_text("TCP, ports 22, 443")
    if scripts:
        check(desk.page, "a notice with an offer to undo")
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The earlier version of the policy is saved again")
    expect(page.locator("tbody tr")).to_contain_text("TCP, port 22")


def test_the_table_is_read_by_heads_and_followed_by_links(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    page = desk.page
    with_rules(desk, "matrix@example.net")
    page.get_by_role("link", name="Who reaches whom").click()
    table = page.get_by_role("table", name="Version 2 of the policy")
    expect(table.get_by_role("columnheader")).to_have_count(3)
    row = table.get_by_role("row", name="group office")
    expect(row.get_by_role("rowheader")).to_contain_text("1 machine")
    page.get_by_role("button", name="Measure").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Measured").get_by_role("status")).to_contain_text("as the policy says")
    expect(row.get_by_role("cell").nth(1)).to_contain_text("passed")
    check(desk.page, "a measured table")
    cell = row.get_by_role("link", name="Some: all but TCP 22")
    cell.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("From group office to group servers")
    page.get_by_role("link", name="deny TCP, port 22 from group office to group servers").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A rule")
    page.get_by_role("button", name="Allow it instead").click()
    expect(page.get_by_role("status")).to_contain_text("The policy is saved")


@pytest.mark.drawn("dark")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_wide_table_scrolls_by_itself(open_desk: Callable[..., Desk], dark: bool) -> None:
    desk = open_desk(width=NARROW, height=740, dark=dark)
    page = desk.page
    with_rules(desk, f"narrow-matrix-{dark}@example.net")
    for path in ("/policy", "/policy/matrix", "/policy/matrix?source=group:office&destination=group:servers"):
        desk.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW, path
    region = page.get_by_role("region", name="What they may open")
    region.focus()
    expect(region).to_be_focused()
    head = page.get_by_role("rowheader").first
    region.evaluate("each => each.scrollLeft = each.scrollWidth")
    expect(head).to_be_in_viewport()


def test_a_preview_and_a_return_work_without_scripts(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(width=NARROW, height=740, scripts=False)
    page = desk.page
    with_rules(desk, "preview@example.net")
    page.get_by_role("link", name="Change the rule: deny TCP, port 22").click()
    page.get_by_label("Ports").fill("22,443")
    page.locator("form").filter(has=page.get_by_role("button", name="Save the rule")).get_by_role(
        "button", name="What would it change?"
    ).click()
    expect(page.get_by_role("region", name="It would close")).to_contain_text(
        "TCP 443 from branch-mumbai to branch-pune"
    )
    page.get_by_role("button", name="Save it").click()
    expect(page.get_by_role("status")).to_contain_text("The policy is saved")
    page.get_by_role("link", name="history").click()
    page.get_by_role("link", name="Go back to version 2").click()
    expect(page.get_by_role("region", name="It would open")).to_contain_text("TCP 443")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    page.get_by_role("button", name="Go back to it").click()
    expect(page.get_by_role("status")).to_contain_text("The earlier version of the policy is saved again")
    expect(page.locator("tbody tr")).to_contain_text("TCP, port 22")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_an_expectation_is_kept_with_the_keyboard(open_desk: Callable[..., Desk], scripts: bool) -> None:
    desk = open_desk(width=NARROW, height=740, scripts=scripts)
    page = desk.page
    with_rules(desk, f"expectations-{scripts}@example.net")
    page.get_by_role("link", name="expectations").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Expectations")
    page.get_by_label("From").select_option("office")
    page.get_by_label("To", exact=True).select_option("servers")
    page.get_by_label("Protocol").select_option("TCP")
    page.get_by_label("Port").focus()
    page.keyboard.type("22")
    page.keyboard.press("Enter")
    row = page.locator("tbody tr")
    expect(row).to_contain_text("holds, for 1 pair of machines")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    desk.open("/policy")
    page.get_by_role("button", name="Remove the rule: deny TCP, port 22").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("An expectation would be broken")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    page.get_by_role("button", name="Save it all the same").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The policy is saved")
    page.get_by_role("link", name="expectations").click()
    expect(row).to_contain_text("broken")
    page.get_by_role("button", name="Remove the expectation: deny TCP, port 22 from group office").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The expectation is removed.")
    expect(row).to_have_count(0)
