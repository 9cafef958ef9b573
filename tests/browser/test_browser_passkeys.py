"""Passkeys in a real browser, with the authenticator that its developer tools make (CDP, domain WebAuthn)."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import Desk

PASSWORD = "correct horse battery"


def plug_in(desk: Desk) -> None:
    """An authenticator that is part of the machine, and whose owner has just touched it."""
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


def test_a_passkey_is_added_and_opens_the_account(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    plug_in(desk)
    page = desk.page
    desk.sign_up("passkey@example.net")
    desk.open("/account")
    form = page.locator("form[action='/account/passkeys']")
    form.get_by_label("Name").fill("Laptop")
    form.get_by_label("Your password").fill(PASSWORD)
    form.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("The passkey is added")
    expect(page.get_by_role("rowheader", name="Laptop")).to_be_visible()

    # The browser has one for this account already, and says so itself.
    form.get_by_label("Name").fill("Again")
    form.get_by_label("Your password").fill(PASSWORD)
    form.get_by_role("button", name="Add a passkey").click()
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


def test_at_another_address_the_pages_say_where_passkeys_are_good(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    plug_in(desk)
    page = desk.page
    page.goto(desk.url.replace("localhost", "127.0.0.1") + "/login")
    expect(page.get_by_text("To sign in with a passkey, open")).to_contain_text(desk.url)
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    desk.open("/login")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    expect(page.get_by_text("To sign in with a passkey, open")).to_be_hidden()
