"""The map in a browser: it fits or scrolls by itself, keeps itself up to date, and is walked with the keyboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from appliance.model.desired import PeerStatus, RuleCount
from appliance.model.organization import Plan
from appliance.model.policy import Action, Policy, Rule
from appliance.service import Context, accounts, machines, organizations, policy
from appliance.store import Store
from appliance.web.request import COOKIE
from tests.appliance.fakes import FakeHub
from tests.browser.axe import check
from tests.browser.conftest import Desk
from tests.browser.test_browser_machines import LIST_MS

pytestmark = pytest.mark.long

NARROW = 360
MACHINES = {
    "laptop-asha": ("staff",),
    "laptop-ravi": ("staff",),
    "laptop-of-the-contractor-from-pune": ("contractors & auditors",),
    "web-1": ("servers",),
    "web-2": ("servers",),
    "database": ("databases",),
    "monitor": (),
    "printer": (),
    "till": (),
}
RULES = (
    ("allow", "group:staff", "group:servers", "tcp", "22,443", 1_482_113),
    ("allow", "group:servers", "group:databases", "tcp", "5432", 903_400),
    ("allow", "machine:monitor", "any", "icmp", "", 52_411),
    ("deny", "group:contractors & auditors", "group:databases", "any", "", 37),
    ("allow", "group:servers", "group:servers", "any", "", 220_018),
    ("deny", "any", "machine:printer", "tcp", "", 911),
    ("allow", "group:staff", "machine:printer", "tcp", "9100", 5_210),
    ("deny", "group:servers", "group:staff", "any", "", 12),
)


@pytest.fixture(autouse=True)
def quiet_hub(hub: FakeHub) -> Iterator[None]:
    """Lets the hub that all tests share forget counts and handshakes."""
    yield
    hub.counts, hub.statuses = [], []


def furnish(desk: Desk, store: Store, hub: FakeHub, email: str) -> None:
    """Signs up an organization of several groups, in which packets were decided about."""
    desk.sign_up(email, "Acme Networks")
    cookie = next(each["value"] for each in desk.page.context.cookies() if each["name"] == COOKIE)
    context = Context(store, hub, "vpn.example.net:51820")
    actor = accounts.actor_of(context, cookie)
    organizations.change(context, actor, plan=Plan.PAID.value)
    ids = {
        f"machine:{name}": f"machine:{machines.add(context, actor, name=name, groups=groups).machine.id}"
        for name, groups in MACHINES.items()
    }
    rules = tuple(
        Rule.parse(
            action=action,
            source=ids.get(source, source),
            destination=ids.get(destination, destination),
            protocol=protocol,
            ports=ports,
        )
        for action, source, destination, protocol, ports, _ in RULES
    )
    policy.save(context, actor, Policy(Action.DENY, rules))
    peers = hub.enforced[actor.organization_id].peers
    now = int(time.time())
    hub.statuses = [PeerStatus(peer.public_key, now - 900 * (place == 4), 1, 1, "") for place, peer in enumerate(peers)]
    hub.counts = [RuleCount(rule.id, packets, 730 * packets) for rule, (*_, packets) in zip(rules, RULES, strict=True)]
    hub.counts.append(RuleCount(None, 1_204, 72_000))


@pytest.mark.drawn("width", "dark")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (NARROW, False), (NARROW, True)])
def test_the_map_is_accessible_and_fits(
    open_desk: Callable[..., Desk], store: Store, hub: FakeHub, width: int, dark: bool
) -> None:
    desk = open_desk(width=width, dark=dark)
    furnish(desk, store, hub, f"map-{width}-{dark}@example.net".lower())
    desk.page.get_by_role("navigation", name="Main").get_by_role("link", name="Map").click()
    expect(desk.page.get_by_role("img", name="7 groups and machines")).to_be_visible()
    check(desk.page, "the map")
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= width
    region = desk.page.get_by_role("region", name="Picture of the map")
    assert region.evaluate("each => each.scrollWidth > each.clientWidth") is (width == NARROW)


def test_the_map_keeps_itself_up_to_date(open_desk: Callable[..., Desk], store: Store, hub: FakeHub) -> None:
    desk = open_desk(width=NARROW)
    page = desk.page
    furnish(desk, store, hub, "map-live@example.net")
    page.clock.install()
    desk.open("/map")
    region = page.get_by_role("region", name="Picture of the map")
    region.evaluate("each => each.scrollLeft = 40")
    region.focus()
    expect(page.get_by_role("img")).to_contain_text("default: denied 1,204")
    hub.counts = [*hub.counts[:-1], RuleCount(None, 1_304, 80_000)]
    page.clock.run_for(LIST_MS)
    expect(page.get_by_role("img")).to_contain_text("default: denied 100")
    row = page.get_by_role("row", name="what no rule matches")
    expect(row.get_by_role("cell", name="Packets 100", exact=True)).to_be_visible()
    expect(region).to_be_focused()
    assert region.evaluate("each => each.scrollLeft") == 40


def test_the_map_is_walked_with_the_keyboard(open_desk: Callable[..., Desk], store: Store, hub: FakeHub) -> None:
    desk = open_desk(scripts=False)
    page = desk.page
    furnish(desk, store, hub, "map-keys@example.net")
    desk.open("/map")
    page.get_by_role("region", name="Picture of the map").focus()
    page.keyboard.press("Tab")
    first = page.get_by_role("link", name="allowed: TCP, ports 22, 443 from group staff to group servers")
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("A rule")
