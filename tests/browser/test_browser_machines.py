"""Machines' pages keep themselves up to date in a real browser, only while somebody can see them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from appliance.model.desired import Desired, PeerStatus
from tests.appliance.fakes import FakeHub
from tests.browser.conftest import Desk
from tests.browser.test_browser_narrow import NARROW, check

pytestmark = pytest.mark.long

LIST_MS, CONNECTION_MS = 5000, 3000
"""Times after which lists and a new machine's page ask again, at the latest; the tests move the page's clock."""
_HIDE = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})"
_SHOW = "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture(autouse=True)
def silent_afterwards(hub: FakeHub) -> Iterator[None]:
    """Forgets the machines' status at the end."""
    yield
    hub.statuses = []


def newest(hub: FakeHub) -> Desired:
    """Returns the state of the organization that was changed last."""
    return list(hub.enforced.values())[-1]


def be_heard(hub: FakeHub, received: int = 5000) -> None:
    """Makes every machine of the newest organization online."""
    hub.statuses = [PeerStatus(each.public_key, int(time.time()), received, 1, "") for each in newest(hub).peers]


def polls_of(page: Page) -> list[str]:
    """Lists the URLs that this page asks for by itself."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/live" in request.url else None)
    return asked


def test_the_list_shows_a_change_without_a_reload(open_desk: Callable[..., Desk], hub: FakeHub) -> None:
    desk = open_desk()
    page = desk.page
    desk.sign_up("live-list@example.net")
    desk.add_machine("mumbai")
    page.clock.install()
    desk.open("/machines")
    link = page.get_by_role("link", name="mumbai")
    link.focus()
    page.evaluate("window.isSame = true")
    expect(page.get_by_role("cell", name="never seen")).to_be_visible()
    be_heard(hub)
    page.clock.run_for(LIST_MS)
    expect(page.get_by_role("cell", name="online")).to_be_visible()
    expect(page.get_by_role("cell", name="less than a minute ago")).to_be_visible()
    expect(link).to_be_focused()
    assert page.evaluate("window.isSame")


def test_a_machine_s_page_shows_a_change_without_a_reload(open_desk: Callable[..., Desk], hub: FakeHub) -> None:
    desk = open_desk()
    page = desk.page
    desk.sign_up("live-one@example.net")
    desk.add_machine("mumbai")
    page.clock.install()
    desk.open("/machines")
    page.get_by_role("link", name="mumbai").click()
    expect(page.get_by_text("never seen")).to_be_visible()
    be_heard(hub)
    page.clock.run_for(LIST_MS)
    expect(page.get_by_text("online", exact=True)).to_be_visible()
    expect(page.get_by_text("4.9 KiB received")).to_be_visible()


def test_a_hidden_page_asks_for_nothing(open_desk: Callable[..., Desk], hub: FakeHub) -> None:
    desk = open_desk()
    page = desk.page
    desk.sign_up("live-hidden@example.net")
    desk.add_machine("mumbai")
    desk.open("/machines")
    page.clock.install()
    desk.open("/machines")
    page.evaluate(_HIDE)
    asked = polls_of(page)
    page.clock.run_for(60_000)
    assert asked == []
    be_heard(hub)
    page.evaluate(_SHOW)
    expect(page.get_by_role("cell", name="online")).to_be_visible()
    assert len(asked) == 1


def test_an_ended_session_ends_the_asking(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    page = desk.page
    desk.sign_up("live-ended@example.net")
    desk.add_machine("mumbai")
    desk.open("/machines")
    page.clock.install()
    desk.open("/machines")
    page.context.clear_cookies()
    page.clock.run_for(6_000)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Your session has ended")
    expect(page.get_by_role("link", name="mumbai")).to_be_visible()
    asked = polls_of(page)
    page.clock.run_for(60_000)
    assert asked == []
    alert.get_by_role("link", name="Sign in again").click()
    expect(page).to_have_title("Sign in · MeshWG")


@pytest.mark.parametrize("scripts", [True, False])
def test_machines_are_found_by_the_keyboard(open_desk: Callable[..., Desk], scripts: bool) -> None:
    desk = open_desk(scripts=scripts)
    page = desk.page
    desk.sign_up(f"find-{scripts}@example.net")
    desk.add_machine("mumbai", "office")
    desk.add_machine("pune", "lab")
    desk.open("/machines")
    page.get_by_text("Find and sort").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Find", exact=True)).to_be_focused()
    page.keyboard.type("PUNE")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("link", name="pune")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    page.get_by_text("Find and sort").click()
    page.get_by_label("Group", exact=True).select_option("office")
    page.get_by_label("Sort by").select_option("name")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("link", name="mumbai")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_new_machine_s_page_notices_it_and_pings(open_desk: Callable[..., Desk], hub: FakeHub) -> None:
    desk = open_desk()
    page = desk.page
    desk.sign_up("new@example.net")
    page.clock.install()
    desk.add_machine("mumbai")
    key = page.locator("pre#text").inner_text()
    connection = page.locator("#connection")
    expect(connection).to_contain_text("None has come yet")
    be_heard(hub)
    page.clock.run_for(CONNECTION_MS)
    expect(connection).to_contain_text("Connected since")
    assert connection.get_attribute("role") == "status"
    asked = polls_of(page)
    page.get_by_role("button", name="Ping it from the hub").focus()
    page.keyboard.press("Enter")
    result = page.locator("#ping-result")
    expect(result).to_contain_text("It answered after 12 ms")
    hub.is_pinging = True
    page.keyboard.press("Enter")
    expect(result).to_contain_text("A ping of your organization is running")
    hub.is_pinging = False
    assert page.locator("pre#text").inner_text() == key, "the page is the same one"
    assert asked == [], "nothing is waited for any more"


def test_without_scripts_a_new_machine_is_looked_at(open_desk: Callable[..., Desk], hub: FakeHub) -> None:
    desk = open_desk(scripts=False)
    page = desk.page
    desk.sign_up("plain@example.net")
    desk.add_machine("mumbai")
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    be_heard(hub)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Look again").click()
    expect(opened.value.locator("#connection")).to_contain_text("Connected.")
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Ping it from the hub").click()
    expect(opened.value.locator("#ping-result")).to_contain_text("It answered after 12 ms")
    expect(page.get_by_text("This is shown once.")).to_be_visible()


def test_a_configuration_is_copied_with_the_keyboard(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    page = desk.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.sign_up("copy@example.net")
    desk.add_machine("mumbai")
    page.get_by_role("button", name="Copy").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#copied")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("pre#text").text_content()
    assert "PrivateKey" in copied
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    page.keyboard.press("Enter")
    expect(page.locator("#copied")).to_contain_text("Your browser did not allow it")


@pytest.mark.parametrize("scripts", [True, False])
def test_instructions_unfold_and_fit_on_a_phone(open_desk: Callable[..., Desk], scripts: bool) -> None:
    desk = open_desk(width=NARROW, height=740, scripts=scripts)
    page = desk.page
    desk.sign_up(f"phone-{scripts}@example.net")
    desk.add_machine("a machine with a name that makes a long file name")
    folded = page.locator("details")
    for number in range(folded.count()):
        summary = folded.nth(number).locator("summary")
        summary.focus()
        page.keyboard.press("Enter")
        expect(folded.nth(number).get_by_role("listitem").first).to_be_visible()
    if scripts:
        check(desk, "the instructions")
