"""An operator's pages in a real browser: set-up, log-in, a suspension, and nothing that a phone cuts off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import expect

from appliance.service import Context, gate_progress, operators
from appliance.service.transcripts import PublishedRuns
from appliance.store import Store, times
from reports.events.state import StateFile
from tests.appliance.fakes import FakeHub
from tests.appliance.members import OPERATORS_PASSWORD
from tests.appliance.published import written
from tests.browser.axe import check as check_accessible
from tests.browser.conftest import Desk
from tests.browser.test_browser_narrow import check, check_sign_out
from tests.reports.events.samples import BEGUN, BREAKS, FIGURES, FLOWS, RUNS, after

pytestmark = pytest.mark.long


def join(desk: Desk, link: str) -> pyotp.TOTP:
    """Sets an operator up by the pages of their link; returns the authenticator."""
    page = desk.page
    page.goto(link)
    page.get_by_label("Password").fill(OPERATORS_PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("img", name="QR code for an authenticator")).to_be_visible()
    phone = pyotp.TOTP(page.locator("pre.file").inner_text())
    page.get_by_role("textbox", name="Code").fill(phone.now())
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    return phone


@pytest.mark.parametrize("scripts", [True, False])
def test_an_operator_s_first_day_works_in_a_browser(
    open_desk: Callable[..., Desk], store: Store, hub: FakeHub, url: str, scripts: bool
) -> None:
    name = f"Bolt {scripts}"
    open_desk().sign_up(f"bolt-{scripts}@example.net", name)
    desk = open_desk(scripts=scripts)
    page = desk.page
    email = f"ops-{scripts}@example.net"
    phone = join(desk, operators.add(Context(store, hub, "vpn.example.net:51820", url), email))
    codes = page.locator("pre.file").inner_text().split()
    page.get_by_role("link", name="I have them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Organizations")
    page.get_by_role("button", name="Sign out").click()

    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(OPERATORS_PASSWORD)
    # A code is taken once; the next one is good already.
    of_log_in = phone.at(times.now() + timedelta(seconds=30))
    page.get_by_label("Code").fill(of_log_in)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Part of a name, or an id").fill(name.lower())
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=name).click()
    form = page.locator("form[action$='/suspend']")
    form.get_by_label("Code").fill(of_log_in)
    form.get_by_role("button", name="Suspend").click()
    expect(form.get_by_label("Code")).to_be_focused()
    expect(form).to_contain_text("This code is wrong, or it was used already.")
    form.get_by_label("Code").fill(codes[0])
    form.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("status")).to_contain_text("The organization is suspended")
    page.locator("form[action$='/resume']").get_by_label("Code").fill(codes[1])
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("The organization is resumed")
    form = page.locator("form[action$='/invitations']")
    form.get_by_label("E-mail address").fill(f"guest-{scripts}@example.net")
    form.get_by_label("Code").fill(codes[2])
    form.get_by_role("button", name="Invite").click()
    expect(page.locator("pre.file")).to_contain_text("/join/mwi_")

    page.get_by_role("link", name="Hub").click()
    expect(page.get_by_role("status")).to_contain_text("Ready.")
    page.get_by_role("link", name="Log").click()
    expect(page.get_by_role("cell", name="organization.suspended").first).to_be_visible()


@pytest.mark.drawn("dark")
@pytest.mark.parametrize("dark", [False, True])
def test_an_operator_s_pages_are_accessible_and_narrow(
    open_desk: Callable[..., Desk],
    store: Store,
    hub: FakeHub,
    shelf: PublishedRuns,
    url: str,
    tmp_path: Path,
    dark: bool,
) -> None:
    open_desk().sign_up(f"long-{dark}@example.net", "W" * 255)
    desk = open_desk(width=360, height=740, dark=dark)
    email = f"{'n' * 60}{int(dark)}@{'e' * 60}.example.net"
    link = operators.add(Context(store, hub, "vpn.example.net:51820", url), email)
    desk.open("/operator/login")
    check(desk, "log-in")
    check_accessible(desk.page, "log-in")
    join(desk, link)
    check(desk, "recovery codes")
    check_accessible(desk.page, "recovery codes")
    shown, other = (shelf.publish(written(tmp_path / "out", f"2026-03-0{day}T12:00:00Z")).id for day in (1, 2))
    with StateFile(shelf.folder / gate_progress.NAME, after([BEGUN, BREAKS, RUNS, FLOWS])) as state:
        desk.open("/operator/runs")
        expect(desk.page.get_by_text("What runs now")).to_be_visible()
        check(desk, "a run that goes on")
        check_accessible(desk.page, "a run that goes on")
        state.board.apply(FIGURES)
        expect(desk.page.get_by_text("1,500 sent, 1,234 delivered")).to_be_visible()
    expect(desk.page.get_by_text("ended early")).to_be_visible()
    desk.page.locator(f"form[action*='{other}']").get_by_role("button").click()
    expect(desk.page.get_by_role("status")).to_contain_text("The run is withdrawn")
    check(desk, "a withdrawn run")
    check_accessible(desk.page, "a withdrawn run")
    desk.page.get_by_role("button", name="Publish").click()
    expect(desk.page.get_by_role("status")).to_contain_text("The run is published")
    desk.page.locator(f"a[href$='{shown}']").click()
    expect(desk.page.get_by_role("heading", level=1)).to_be_visible()
    paths = ("/operator", "/operator?query=WWW", "/operator/hub", "/operator/runs", "/operator/log")
    for path in (*paths, "/operator/organizations/x"):
        desk.open(path)
        check(desk, path)
        check_sign_out(desk)
        check_accessible(desk.page, path)
    desk.open("/operator?query=WWW")
    desk.page.locator("tbody a").first.click()
    check(desk, "an organization")
    check_accessible(desk.page, "an organization")
