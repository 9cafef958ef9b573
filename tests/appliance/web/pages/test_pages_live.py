"""Parts of pages that pages ask for by themselves."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import bottle
import pytest
import tomllib

from appliance.model.desired import PeerStatus
from appliance.model.organization import Plan
from appliance.service import accounts, credentials, machines, organizations
from appliance.store import times
from appliance.web import pages
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.rates import POLLS_PER_ORGANIZATION, READS_PER_ORGANIZATION
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Answer, Visitor

POLLED = [page.path for page in pages.PAGES if page.polled and not page.access.is_public]
STATIC = Path(pages.__file__).parent / "static"


@pytest.fixture
def clock() -> WallClock:
    return WallClock(times.now())


@pytest.fixture
def app(site: Site, hub: FakeHub, clock: WallClock) -> bottle.Bottle:
    limits = RateLimits(clock=lambda: clock.now.timestamp())
    return make_app(replace(site, context=replace(site.context, clock=clock), limits=limits), hub.status)


@pytest.fixture
def machine(owner: Visitor) -> str:
    """Adds a machine; returns its id."""
    owner.add_machine("one", groups="office")
    links = (each["href"] for each in owner.get("/machines").page.all("a"))
    return next(link.removeprefix("/machines/") for link in links if link.startswith("/machines/"))


def poll(visitor: Visitor, path: str, etag: str = "") -> Answer:
    return visitor.ask("GET", path, headers={"If-None-Match": etag})


def key_of(hub: FakeHub) -> str:
    return next(iter(hub.enforced.values())).peers[0].public_key


@pytest.mark.long
def test_the_page_names_the_version_that_its_poll_confirms(owner: Visitor, machine: str) -> None:
    for path in ("/machines", "/machines?query=one&order=name", f"/machines/{machine}"):
        page = owner.get(path).page
        live = next(each for _, each in page.elements if "data-live" in each)
        answer = poll(owner, live["data-hx-get"], live["data-etag"])
        assert (answer.status, answer.body) == (304, b""), path
        assert answer.headers["etag"] == live["data-etag"]


def test_a_poll_is_answered_anew_only_when_something_changed(
    owner: Visitor, machine: str, hub: FakeHub, clock: WallClock
) -> None:
    path = f"/machines/{machine}/live"
    first = poll(owner, path)
    assert first.status == 200
    assert "never seen" in first.page.text
    hub.statuses = [PeerStatus(key_of(hub), int(clock.now.timestamp()) - 5, 2048, 1, "")]
    second = poll(owner, path, first.headers["etag"])
    assert second.status == 200
    assert "online" in second.page.text
    assert "less than a minute ago" in second.page.text
    clock.now += timedelta(seconds=20)
    assert poll(owner, path, second.headers["etag"]).status == 304
    clock.now += timedelta(seconds=180)
    third = poll(owner, path, second.headers["etag"])
    assert "silent" in third.page.text


def test_a_poll_answers_with_rows_of_its_search_alone(owner: Visitor, machine: str) -> None:
    owner.add_machine("two")
    answer = poll(owner, "/machines/live?query=two")
    assert "two" in answer.page.text
    assert machine not in answer.text
    assert "<html" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.long
@pytest.mark.parametrize("path", POLLED)
def test_a_poll_does_not_keep_a_session_alive(owner: Visitor, machine: str, clock: WallClock, path: str) -> None:
    path = path.replace("<id>", machine)
    step = timedelta(minutes=30)
    for _ in range(int(credentials.IDLE / step) - 1):
        clock.now += step
        assert poll(owner, path).status == 200
    clock.now += step
    ended = poll(owner, path)
    assert ended.status == 401
    assert "Your session has ended" in ended.page.text
    assert "<html" not in ended.text
    assert ended.page.all("a")[0]["href"] == f"/login?next={path.removesuffix('/live')}"
    assert owner.get("/machines").status == 303


def test_looking_at_a_page_keeps_a_session_alive(owner: Visitor, machine: str, clock: WallClock) -> None:
    for _ in range(3):
        clock.now += credentials.IDLE - timedelta(minutes=30)
        assert owner.get(f"/machines/{machine}").status == 200


@pytest.mark.parametrize("path", POLLED)
def test_a_stranger_s_poll_gets_a_part_without_data(stranger: Visitor, machine: str, path: str) -> None:
    answer = poll(stranger, path.replace("<id>", machine))
    assert answer.status == 401
    assert "one" not in answer.page.text.split()


def test_a_poll_for_a_removed_machine_says_so(owner: Visitor, machine: str) -> None:
    owner.get(f"/machines/{machine}/remove")
    owner.send(f"/machines/{machine}/remove")
    answer = poll(owner, f"/machines/{machine}/live")
    assert answer.status == 404
    assert "has no machine" in answer.page.text


@pytest.mark.long
def test_polls_shut_nobody_out(owner: Visitor, machine: str) -> None:
    """Polls until that is refused: pages are still shown, and changes made."""
    for _ in range(POLLS_PER_ORGANIZATION[0].amount):
        assert poll(owner, f"/machines/{machine}/live").status == 200
    refused = poll(owner, f"/machines/{machine}/live")
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert owner.get("/machines").status == 200
    assert owner.add_machine("two").status == 200
    assert POLLS_PER_ORGANIZATION[0].amount * 5 <= READS_PER_ORGANIZATION[0].amount


def test_another_organization_s_machine_can_t_be_polled(app: bottle.Bottle, machine: str) -> None:
    other = Visitor(app)
    other.sign_up("eve@example.net", "Eve")
    assert poll(other, f"/machines/{machine}/live").status == 404


@pytest.mark.long
def test_a_search_is_shown_with_its_input_and_pages(owner: Visitor, site: Site) -> None:
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    organizations.change(site.context, actor, plan=Plan.PAID.value)
    for number in range(60):
        machines.add(site.context, actor, name=f"m{number:02d}", groups=["a & b"] if number < 55 else ["c"])
    page = owner.get("/machines?query=M&group=a+%26+b&order=name").page
    assert page.text.count("10.100.0.") == 50
    following = next(each["href"] for each in page.all("a") if each.get("rel") == "next")
    assert "query=M&group=a+%26+b&order=name&after=" in following
    second = owner.get(following).page
    assert second.text.count("10.100.0.") == 5
    values = {each["name"]: each.get("value") for each in second.all("input") if each.get("type") == "search"}
    assert values == {"query": "M"}
    assert ("option", {"selected": ""}) in second.elements
    assert "No machine meets this search" in owner.get("/machines?query=nothing").page.text


@pytest.mark.long
def test_an_impossible_search_is_refused_with_the_list_s_form(owner: Visitor) -> None:
    owner.add_machine("one")
    answer = owner.get("/machines?state=asleep")
    assert answer.status == 422
    assert "There is no state" in answer.page.text
    assert "find-query" in answer.text


def test_files_of_others_are_as_they_were_published() -> None:
    vendored = tomllib.loads((STATIC / "VENDORED.toml").read_text())
    assert vendored
    for name, each in vendored.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == each["sha256"], name
        assert (STATIC / each["licence"].partition(", in ")[2]).is_file()
