"""The page of the demonstration."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import bottle
import pytest

from appliance.model.demo import MACHINES, ORGANIZATION, STREAMS
from appliance.model.policy import Action
from appliance.service import demo
from appliance.web.app import make_app
from appliance.web.demonstration import DENIED_S, Demonstration
from appliance.web.limits import RateLimits
from appliance.web.rates import DEMO_FLIPS, PUBLIC_POLLS
from appliance.web.site import Site
from tests.appliance.demonstrated import FakeLab
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Answer, Visitor

RULE = STREAMS[1].rule
LIVE = "/demo/live"


@pytest.fixture
def shown(site: Site, tmp_path: Path) -> FakeLab:
    made = FakeLab.of(tmp_path)
    made.begin(site.context)
    return made


@pytest.fixture
def app(site: Site, shown: FakeLab, hub: FakeHub) -> bottle.Bottle:
    # No time passes, in which amounts would come back.
    limits = RateLimits(clock=lambda: 0.0)
    return make_app(replace(site, demo=Demonstration(shown.lab), limits=limits), hub.status)


def words(answer: Answer) -> str:
    return " ".join(answer.page.text.split())


def flip(visitor: Visitor, rule: str, action: str) -> Answer:
    visitor.get("/demo")
    return visitor.send("/demo", flip=f"{rule} {action}")


def test_machines_streams_and_rules_are_shown(stranger: Visitor) -> None:
    answer = stranger.get("/demo")
    assert answer.status == 200
    assert all(name in words(answer) for name in MACHINES)
    assert words(answer).count(" allow going 10") == len(STREAMS)
    offered = [each["value"] for each in answer.page.all("button") if each.get("name") == "flip"]
    assert offered == [f"{stream.rule} {action}" for stream in STREAMS for action in ("deny", "allow")]


def test_a_flip_stops_a_stream_and_tells_how_fast(stranger: Visitor, shown: FakeLab, hub: FakeHub) -> None:
    answer = flip(stranger, RULE, "deny")
    assert (answer.status, answer.headers["location"]) == (303, "/demo")
    actions = {rule.id: rule.action for rule in hub.enforced[ORGANIZATION].policy.rules}
    assert [actions[stream.rule] for stream in STREAMS] == [Action.ALLOW, Action.DENY, Action.ALLOW]
    shown.clock.now += 3 * 10**9
    shown.arrive(0, 2)
    told = words(stranger.get("/demo"))
    assert re.search(r"udp 514 deny stopped 0 3 seconds ago; enforced in [\d.,]+ ms\b", told)
    assert told.count("No packet has arrived since the answer.") == 1
    shown.clock.now += 10**9
    shown.arrive(1)
    assert "No packet has arrived" not in words(stranger.get("/demo"))
    assert flip(stranger, RULE, "allow").status == 303
    assert "udp 514 allow going 10 0 seconds ago; enforced in" in words(stranger.get("/demo"))


def test_a_flip_made_by_others_is_not_told_as_ours(stranger: Visitor, site: Site) -> None:
    flip(stranger, RULE, "deny")
    demo.flip(site.context, RULE, "allow")
    assert "enforced in" not in words(stranger.get("/demo"))


def test_a_rule_left_denied_is_allowed_again(stranger: Visitor, shown: FakeLab, hub: FakeHub, site: Site) -> None:
    def denied() -> list[str]:
        return [rule.id for rule in hub.enforced[ORGANIZATION].policy.rules if rule.action is Action.DENY]

    other = STREAMS[2].rule
    demo.flip(site.context, other, "deny")  # By a process that has ended.
    flip(stranger, RULE, "deny")
    assert f"Allowed again in {DENIED_S} seconds." in words(stranger.get("/demo"))
    shown.clock.now += (DENIED_S - 1) * 10**9
    shown.arrive(0, 0, 0)
    assert words(stranger.get(LIVE)).count("Allowed again in 1 second.") == 2
    flip(stranger, RULE, "allow")
    flip(stranger, RULE, "deny")
    shown.clock.now += 10**9
    shown.arrive(0, 0, 0)
    told = words(stranger.get(LIVE))
    assert denied() == [RULE]
    assert told.count("Allowed again in") == 1
    assert f"Allowed again in {DENIED_S - 1} seconds." in told
    demo.flip(site.context, other, "deny")
    shown.arrive(0, 0, 0)
    assert f"Allowed again in {DENIED_S} seconds." in words(stranger.get(LIVE))
    assert denied() == [RULE, other]


@pytest.mark.parametrize("sent", ["", RULE, f"{RULE} remove", "other deny", f"{RULE} deny extra"])
def test_nothing_but_the_listed_flips_is_taken(stranger: Visitor, hub: FakeHub, sent: str) -> None:
    applied = hub.applications
    stranger.get("/demo")
    assert stranger.send("/demo", flip=sent).status in (404, 422)
    assert hub.applications == applied


def test_a_forged_form_changes_nothing(stranger: Visitor, hub: FakeHub) -> None:
    applied = hub.applications
    assert stranger.post("/demo", {"flip": f"{RULE} deny"}).status == 403
    assert hub.applications == applied


def test_a_visitor_gets_no_session(stranger: Visitor) -> None:
    flip(stranger, RULE, "deny")
    assert list(stranger.cookies) == ["__Host-meshwg-form"]
    assert stranger.get("/machines").status == 303


def test_flips_of_one_network_are_limited(stranger: Visitor, hub: FakeHub, app: bottle.Bottle) -> None:
    most = DEMO_FLIPS.one[0].amount
    for number in range(most):
        assert flip(stranger, RULE, ("deny", "allow")[number % 2]).status == 303
    applied = hub.applications
    answer = flip(stranger, RULE, "deny")
    assert answer.status == 429
    assert "Too many tries" in words(answer)
    assert answer.headers["retry-after"]
    assert hub.applications == applied
    assert flip(Visitor(app, "198.51.100.7"), RULE, "deny").status == 303


@pytest.mark.long
def test_all_flips_together_are_limited(app: bottle.Bottle) -> None:
    most, each = DEMO_FLIPS.everybody[0].amount, DEMO_FLIPS.one[0].amount
    found = [
        flip(visitor, RULE, "deny").status
        for visitor in (Visitor(app, f"198.51.100.{number}") for number in range(1, most // each + 2))
        for _ in range(each)
    ]
    assert found == [303] * most + [429] * each


@pytest.mark.long
def test_polls_have_a_limit_of_their_own(stranger: Visitor) -> None:
    found = {stranger.get(LIVE).status for _ in range(PUBLIC_POLLS.one[0].amount)}
    assert found == {200}
    assert stranger.get(LIVE).status == 429
    assert stranger.get("/login").status == 200


def test_the_page_s_part_is_sent_only_if_it_changed(stranger: Visitor, shown: FakeLab) -> None:
    live = next(each for _, each in stranger.get("/demo").page.elements if "data-live" in each)
    assert live["data-hx-get"] == LIVE
    same = stranger.ask("GET", LIVE, headers={"If-None-Match": live["data-etag"]})
    assert (same.status, same.body) == (304, b"")
    shown.clock.now += 2 * 10**9
    shown.arrive(0)
    changed = stranger.ask("GET", LIVE, headers={"If-None-Match": live["data-etag"]})
    assert changed.status == 200
    assert words(changed).count(" allow stopped 0") == 2


def test_a_demo_that_does_not_run_is_not_there(stranger: Visitor, shown: FakeLab, hub: FakeHub) -> None:
    assert "See it live" in words(stranger.get("/"))
    applied = hub.applications
    stranger.get("/demo")
    shown.clock.now += 60 * 10**9
    assert stranger.send("/demo", flip=f"{RULE} deny").status == 404
    assert hub.applications == applied
    assert [stranger.get(path).status for path in ("/demo", LIVE)] == [404, 404]
    assert "See it live" not in words(stranger.get("/"))


def test_a_member_sees_the_page_in_their_own_session(owner: Visitor, site: Site) -> None:
    assert flip(owner, RULE, "deny").status == 303
    assert "demo" not in words(owner.get("/audit")).lower()
    assert demo.actions(site.context)[RULE] is Action.DENY


def test_a_service_without_a_demo_has_no_page(site: Site, hub: FakeHub) -> None:
    visitor = Visitor(make_app(site, hub.status))
    assert visitor.get("/demo").status == 404
    assert "/demo" not in [link.get("href") for link in visitor.get("/").page.all("a")]
