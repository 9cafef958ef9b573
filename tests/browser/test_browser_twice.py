"""A second click, a reload and the browser's way back, with scripts and without."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.browser.conftest import Desk
from tests.waiting import wait_until

pytestmark = pytest.mark.long

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
_KEY = re.compile(r"PrivateKey +=")


class Held:
    """A hub at which changes wait.

    Attributes:
        reached: set as soon as one waits.
        may_go_on: to be set.
    """

    def __init__(self) -> None:
        self.reached, self.may_go_on = threading.Event(), threading.Event()


@pytest.fixture
def hold(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Held]]:
    """Makes every change wait from now on."""
    held = Held()
    apply = hub.apply

    def slowly(*arguments: object, **named: object) -> None:
        held.reached.set()
        assert held.may_go_on.wait(30)
        apply(*arguments, **named)  # type: ignore[arg-type]

    def begin() -> Held:
        monkeypatch.setattr(hub, "apply", slowly)
        return held

    yield begin
    held.may_go_on.set()


def posts_of(page: Page) -> list[str]:
    """Lists the paths of forms that this browser sends."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    return sent


def joined(desk: Desk) -> float:
    """Returns the number of posts that came during an equal one, by the service's metrics."""
    told = desk.page.request.get(f"{desk.url}/metrics").text()
    found = re.search(r'^meshwg_repeated_posts_total\{fate="joined"\} (.+)$', told, re.MULTILINE)
    assert found is not None, told
    return float(found[1])


def machines_of(desk: Desk) -> list[str]:
    """Lists the names of the machines."""
    desk.open("/machines")
    return desk.page.locator("tbody th").all_inner_texts()


@SCRIPTS
def test_a_second_click_during_the_first_shows_the_key(
    open_desk: Callable[..., Desk], hold: Callable[[], Held], scripts: bool
) -> None:
    """Disables scripts too: the browser drops the first answer, and the second one has the same key."""
    desk = open_desk(scripts=scripts)
    page = desk.page
    desk.sign_up(f"twice-{scripts}@example.net")
    before, sent, held = joined(desk), posts_of(page), hold()
    page.get_by_label("Name").fill("one")
    box = page.get_by_role("button", name="Add machine").bounding_box()
    assert box is not None
    # By the mouse itself: all else waits until the page that the first click leads to is there.
    where = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(*where)
    assert held.reached.wait(30)
    if scripts:
        page.mouse.click(*where)
    else:
        with page.expect_request(lambda request: request.method == "POST"):
            page.mouse.click(*where)
        # It may still be on its way.
        wait_until(lambda: joined(desk) > before)
    held.may_go_on.set()
    expect(page.locator("pre").first).to_contain_text(_KEY)
    assert len(sent) == (1 if scripts else 2)
    assert machines_of(desk) == ["one"]


@SCRIPTS
def test_a_double_click_adds_one_machine_without_an_error(open_desk: Callable[..., Desk], scripts: bool) -> None:
    desk = open_desk(scripts=scripts)
    page = desk.page
    desk.sign_up(f"double-{scripts}@example.net")
    page.get_by_label("Name").fill("one")
    page.get_by_role("button", name="Add machine").dblclick()
    # However fast the first answer was: the key, or that it was shown, and where to make a new one.
    expect(page.locator(".notice")).to_contain_text("shown once")
    assert page.get_by_role("alert").count() == 0
    assert machines_of(desk) == ["one"]

    desk.open("/policy")
    form = page.locator("form[action='/policy/rules']")
    form.get_by_label("From").select_option("one")
    form.get_by_role("button", name="Add rule").dblclick()
    expect(page.get_by_role("status")).to_contain_text("The policy is saved")
    assert page.get_by_role("alert").count() == 0
    expect(page.locator("tbody tr")).to_have_count(1)


@SCRIPTS
def test_a_reload_adds_no_machine_and_rotates_no_key(
    open_desk: Callable[..., Desk], hub: FakeHub, scripts: bool
) -> None:
    desk = open_desk(scripts=scripts)
    page = desk.page
    desk.sign_up(f"reload-{scripts}@example.net")
    desk.add_machine("one")
    expect(page.locator("pre").first).to_contain_text(_KEY)
    page.reload()
    expect(page.locator(".notice")).to_contain_text("is lost, make a new key below")
    expect(page.get_by_text("PrivateKey")).to_have_count(0)
    assert machines_of(desk) == ["one"]

    page.get_by_role("link", name="one", exact=True).click()
    before = page.locator(".wide code").inner_text()
    page.get_by_role("link", name="Make a new key…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A new key for one?")
    page.get_by_role("link", name="Keep the key").click()
    assert page.locator(".wide code").inner_text() == before
    page.get_by_role("link", name="Make a new key…").click()
    page.get_by_role("button", name="Make a new key").click()
    expect(page.locator("pre").first).to_contain_text(_KEY)
    applied = hub.applications
    page.reload()
    expect(page.locator(".notice")).to_contain_text("is lost, make a new key below")
    page.reload()
    assert hub.applications == applied
    assert page.locator(".wide code").inner_text() != before

    # The way back, and the same form again: it is shown anew, so it asks anew.
    page.get_by_role("link", name="Make a new key…").click()
    page.get_by_role("button", name="Make a new key").click()
    expect(page.locator("pre").first).to_contain_text(_KEY)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("A new key for one?")
    assert hub.applications == applied + 1


@SCRIPTS
def test_opening_everything_needs_a_confirmation(open_desk: Callable[..., Desk], scripts: bool) -> None:
    desk = open_desk(scripts=scripts)
    page = desk.page
    desk.sign_up(f"open-{scripts}@example.net")
    desk.open("/policy")
    page.get_by_role("button", name="Deny by default").click()
    expect(page.get_by_role("status")).to_contain_text("The policy is saved")
    page.get_by_role("button", name="Allow by default").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Open the network?")
    page.get_by_role("link", name="Leave it as it is").click()
    expect(page.get_by_role("button", name="Allow by default")).to_be_visible()
    page.get_by_role("button", name="Allow by default").click()
    page.get_by_role("button", name="Open it").dblclick()
    expect(page.get_by_role("status")).to_contain_text("The policy is saved")
    expect(page.get_by_role("button", name="Deny by default")).to_be_visible()


@SCRIPTS
def test_a_double_click_signs_up_once_and_is_signed_in(open_desk: Callable[..., Desk], scripts: bool) -> None:
    desk = open_desk(scripts=scripts)
    page = desk.page
    desk.open("/signup")
    page.get_by_label("Organization").fill("Twice")
    page.get_by_label("E-mail address").fill(f"sign-up-{scripts}@example.net")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").dblclick()
    # The browser may have dropped the answer with the session; then the second one says where to go on.
    expect(page).to_have_title(re.compile("Machines|Sign in"))
    assert page.get_by_role("alert").count() == 0
    desk.open("/machines")
    if "Sign in" in page.title():
        page.get_by_label("E-mail address").fill(f"sign-up-{scripts}@example.net")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").first.click()
    expect(page).to_have_title("Machines · MeshWG")


def test_the_script_against_second_clicks_stops_no_other_form(open_desk: Callable[..., Desk]) -> None:
    """Sends a form again after a refusal, and after going back to the page."""
    desk = open_desk()
    page = desk.page
    desk.sign_up("again@example.net")
    desk.add_machine("one")
    # There is no way back from a page that is on its way.
    expect(page.get_by_role("heading", level=1)).to_have_text("Added: one")
    page.go_back()
    page.get_by_label("Name").fill("one")
    page.get_by_role("button", name="Add machine").click()
    expect(page.locator("[aria-invalid]")).to_have_value("one")
    page.get_by_label("Name").fill("two")
    page.get_by_role("button", name="Add machine").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Added: two")
    assert machines_of(desk) == ["one", "two"]
