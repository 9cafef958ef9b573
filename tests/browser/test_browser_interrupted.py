"""A form that is sent after its session has ended, in a real browser and without a script."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.appliance.members import PASSWORD
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long


@pytest.mark.parametrize("scripts", [True, False])
def test_a_form_s_input_outlives_the_session(open_desk: Callable[..., Desk], scripts: bool) -> None:
    email = f"interrupted-{scripts}@example.net"
    desk, elsewhere = open_desk(scripts=scripts), open_desk()
    desk.sign_up(email)
    elsewhere.open("/login")
    log_in(elsewhere, email)
    elsewhere.page.wait_for_url("**/machines")

    page = desk.page
    page.get_by_label("Name").fill("मुंबई <1>")
    page.get_by_label("Groups").fill("office")
    elsewhere.open("/account")
    elsewhere.page.get_by_role("button", name="End all others").click()
    expect(elsewhere.page.get_by_role("status")).to_contain_text("Every other session")

    page.get_by_role("button", name="Add machine").click()
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
    log_in(desk, email, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    log_in(desk, email)
    expect(page.get_by_role("status")).to_contain_text("Nothing was changed meanwhile")
    expect(page.get_by_label("Name")).to_have_value("मुंबई <1>")
    page.reload()
    expect(page.get_by_label("Groups")).to_have_value("office")
    page.get_by_role("button", name="Add machine").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Added: मुंबई <1>")


def log_in(desk: Desk, email: str, password: str = PASSWORD) -> None:
    desk.page.get_by_label("E-mail address").fill(email)
    desk.page.get_by_label("Password").fill(password)
    desk.page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
