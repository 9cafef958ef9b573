"""Passkeys in a real browser, with the virtual authenticator of its developer tools (CDP, domain WebAuthn)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.appliance.members import PASSWORD
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long


def plug_in(desk: Desk) -> None:
    """Adds an authenticator that is part of the machine and confirms each request."""
    tools = desk.page.context.new_cdp_session(desk.page)
    tools.send("WebAuthn.enable")
    tools.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


def ask_for_passkey(desk: Desk, name: str) -> Locator:
    """Asks for a passkey on the page of the account; returns the form."""
    form = desk.page.locator("form[action='/account/passkeys']")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Your password").fill(PASSWORD)
    form.get_by_role("button", name="Add a passkey").click()
    return form


def test_a_passkey_is_added_and_opens_the_account(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    plug_in(desk)
    page = desk.page
    desk.sign_up("passkey@example.net")
    desk.open("/account")
    ask_for_passkey(desk, "Laptop")
    expect(page.get_by_role("status")).to_contain_text("The passkey is added")
    expect(page.get_by_role("rowheader", name="Laptop")).to_be_visible()

    # The browser has one for this account already, and says so itself.
    form = ask_for_passkey(desk, "Again")
    expect(form.get_by_role("alert")).to_contain_text("Your browser made no passkey")

    page.get_by_role("button", name="Sign out").click()
    desk.open("/login?next=/audit")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/audit")
    expect(page.get_by_role("row", name="signed in").first).to_contain_text("Laptop")

    desk.open("/account")
    page.get_by_text("Rename or remove").click()
    removal = page.locator("form[action$='/remove']")
    removal.get_by_label("Your password").fill(PASSWORD)
    removal.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status")).to_contain_text("The passkey is removed")
    page.get_by_role("button", name="Sign out").click()
    desk.open("/login")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("opens no account here")


def test_pages_at_another_address_say_where_passkeys_work(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    plug_in(desk)
    page = desk.page
    page.goto(desk.url.replace("localhost", "127.0.0.1") + "/login")
    expect(page.get_by_text("To sign in with a passkey, open")).to_contain_text(desk.url)
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    desk.open("/login")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    expect(page.get_by_text("To sign in with a passkey, open")).to_be_hidden()


def test_a_log_in_by_passkey_keeps_a_form_s_input_too(open_desk: Callable[..., Desk]) -> None:
    email = "passkey-draft@example.net"
    desk, elsewhere = open_desk(), open_desk()
    plug_in(desk)
    page = desk.page
    desk.sign_up(email)
    desk.open("/account")
    ask_for_passkey(desk, "Laptop")
    expect(page.get_by_role("status")).to_contain_text("The passkey is added")
    desk.open("/machines")
    page.get_by_label("Name").fill("मुंबई")

    elsewhere.open("/login")
    elsewhere.page.get_by_label("E-mail address").fill(email)
    elsewhere.page.get_by_label("Password").fill(PASSWORD)
    elsewhere.page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    elsewhere.page.wait_for_url("**/machines")
    elsewhere.open("/account")
    elsewhere.page.get_by_role("button", name="End all others").click()
    expect(elsewhere.page.get_by_role("status")).to_contain_text("Every other session")

    page.get_by_role("button", name="Add machine").click()
    expect(page.get_by_role("alert").first).to_contain_text("Your session has ended")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("Nothing was changed meanwhile")
    expect(page.get_by_label("Name")).to_have_value("मुंबई")
