"""The page of one rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.model.organization import Role
from appliance.model.policy import Action, Protocol, Rule
from appliance.service import accounts, machines
from appliance.store.policies import SavedPolicy
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Visitor


@pytest.fixture
def rule(owner: Visitor, saved: Callable[[], SavedPolicy]) -> Rule:
    """Provides a rule that denies SSH from any machine to the office."""
    owner.add_machine("mumbai", groups="office")
    owner.add_rule(
        action="deny", source="any", destination="group:office", protocol="tcp", ports="22", description="no SSH"
    )
    return saved().policy.rules[0]


def path(rule: Rule) -> str:
    return f"/policy/rules/{rule.id}"


def test_a_rule_is_changed_in_place(
    owner: Visitor, site: Site, hub: FakeHub, rule: Rule, saved: Callable[[], SavedPolicy]
) -> None:
    assert path(rule) in owner.get("/policy").text
    page = owner.get(path(rule))
    assert 'value="22"' in page.text
    assert 'value="no SSH"' in page.text
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    (mumbai,) = (each.machine.id for each in machines.page(site.context, actor)[0])
    before = saved()
    answer = owner.send(
        path(rule),
        action="deny",
        source=f"machine:{mumbai}",
        destination="group:office",
        protocol="udp",
        ports="53, 5353",
        description="no names",
    )
    assert answer.headers["location"] == "/policy"
    after = saved()
    assert after.version == before.version + 1
    (changed,) = after.policy.rules
    assert changed.id == rule.id, "its count goes on"
    assert changed.sentence == f"deny machine:{mumbai} to group:office, udp 53,5353"
    assert changed.description == "no names"
    assert next(iter(hub.enforced.values())).policy == after.policy
    assert "The policy is saved, and the hub enforces it." in owner.get("/policy").page.text


def test_a_rule_s_verdict_is_turned_by_one_button(owner: Visitor, rule: Rule, saved: Callable[[], SavedPolicy]) -> None:
    owner.get(path(rule))
    for action in (Action.ALLOW, Action.DENY):
        owner.get(path(rule))
        # The last form with this path is the one of the button.
        assert owner.send(path(rule)).status == 303
        (turned,) = saved().policy.rules
        assert turned.action is action
        assert turned.parts == rule.parts | {"action": action.value}


def test_the_same_change_sent_twice_is_done_once(owner: Visitor, rule: Rule, saved: Callable[[], SavedPolicy]) -> None:
    owner.get(path(rule))
    page = owner.answer
    owner.send(path(rule), action="deny", ports="23", protocol="tcp")
    once = saved()
    owner.answer = page
    assert owner.send(path(rule), action="deny", ports="23", protocol="tcp").status == 303
    assert saved() == once
    assert "This form came twice, and was done once." in owner.get("/policy").page.text


def test_a_stale_page_of_a_rule_changes_nothing(owner: Visitor, rule: Rule, saved: Callable[[], SavedPolicy]) -> None:
    stale = owner.get(path(rule))
    owner.add_rule(action="deny", source="any", destination="any", protocol="icmp")
    before = saved()
    owner.answer = stale
    answer = owner.send(path(rule), action="deny", protocol="tcp", ports="2222", source="any", destination="any")
    assert answer.status == 409
    assert "the policy was saved after you opened this page" in answer.page.text
    assert 'value="2222"' in answer.text
    assert saved() == before
    # The answer has the new version.
    assert owner.send(path(rule), action="deny", protocol="tcp", ports="2222").status == 303


def test_a_change_that_opens_the_network_is_confirmed(owner: Visitor, saved: Callable[[], SavedPolicy]) -> None:
    owner.get("/policy")
    owner.send("/policy/default", default="deny")
    owner.add_rule(action="allow", source="any", destination="any", protocol="tcp", ports="443")
    (narrow,) = saved().policy.rules
    owner.get(path(narrow))
    wide = {"action": "allow", "source": "any", "destination": "any", "protocol": "any", "ports": ""}
    answer = owner.send(path(narrow), **wide)
    assert "Open the network?" in answer.page.text
    assert saved().policy.rules == (narrow,)
    assert owner.send(path(narrow)).status == 303
    assert [each.protocol for each in saved().policy.rules] == [Protocol.ANY]


def test_a_change_without_effect_needs_a_confirmation(
    owner: Visitor, rule: Rule, saved: Callable[[], SavedPolicy]
) -> None:
    owner.add_rule(action="deny", source="any", destination="any", protocol="udp")
    owner.get(path(rule))
    fields = {"action": "deny", "source": "any", "destination": "group:office", "protocol": "udp", "ports": "53"}
    answer = owner.send(path(rule), **fields)
    assert answer.status == 409
    assert "Not saved: deny UDP, port 53 from any machine to group office would change nothing" in answer.page.text
    assert rule in saved().policy.rules
    assert owner.send(path(rule), idle="yes", **fields).status == 303
    # A rule is not compared with itself.
    owner.get(path(rule))
    assert owner.send(path(rule), **(fields | {"ports": "54", "idle": "yes"})).status == 303


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"protocol": "tcp", "ports": "nonsense"}, "ports"),
        ({"source": "machine:nobody"}, "source"),
        ({"action": "maybe"}, "action"),
    ],
)
def test_a_refused_change_is_shown_beside_its_field(
    owner: Visitor, rule: Rule, saved: Callable[[], SavedPolicy], fields: dict[str, str], field: str
) -> None:
    owner.get(path(rule))
    answer = owner.send(path(rule), **({"action": "deny", "protocol": "any", "ports": ""} | fields))
    assert answer.status == 422
    wrong = [each for tag in ("input", "select") for each in answer.page.all(tag) if "aria-invalid" in each]
    assert [each["id"] for each in wrong] == [f"change-{field}"]
    assert saved().policy.rules == (rule,)


def test_a_rule_that_is_gone_has_no_page(owner: Visitor, rule: Rule) -> None:
    page = owner.get(path(rule))
    owner.get("/policy")
    owner.send("/policy/rules/remove", rule=rule.id)
    assert owner.get(path(rule)).status == 404
    owner.answer = page
    answer = owner.send(path(rule), action="allow")
    assert answer.status == 404
    assert "This rule is gone." in answer.page.text


def test_a_viewer_sees_a_rule_without_forms(
    colleague: Callable[[Role], Visitor], rule: Rule, saved: Callable[[], SavedPolicy]
) -> None:
    viewer = colleague(Role.VIEWER)
    page = viewer.get(path(rule)).page
    assert "deny TCP, port 22 from any machine to group office" in page.text
    assert path(rule) not in page.forms
    assert viewer.post(path(rule), {"action": "allow"}).status == 403
    assert saved().policy.rules == (rule,)


def test_a_preview_shows_what_a_change_opens_and_closes(
    owner: Visitor, rule: Rule, saved: Callable[[], SavedPolicy]
) -> None:
    owner.add_machine("pune")
    before = saved()
    owner.get(path(rule))
    fields = {"action": "deny", "source": "any", "destination": "group:office", "protocol": "udp", "ports": "53"}
    answer = owner.send(path(rule), preview="yes", **fields)
    text = " ".join(answer.page.text.split())
    assert "Nothing is saved yet." in text
    assert "It would open TCP 22 from pune to mumbai" in text
    assert "It would close UDP 53 from pune to mumbai" in text
    assert saved() == before
    assert owner.send(path(rule)).status == 303
    assert saved().policy.rules[0].sentence == "deny any to group:office, udp 53"


def test_a_preview_of_a_removal_removes_nothing_yet(
    owner: Visitor, rule: Rule, saved: Callable[[], SavedPolicy]
) -> None:
    owner.add_machine("pune")
    owner.get(path(rule))
    answer = owner.send("/policy/rules/remove", preview="yes")
    assert "It would open TCP 22 from pune to mumbai" in " ".join(answer.page.text.split())
    assert saved().policy.rules == (rule,)
    assert owner.send("/policy/rules/remove").status == 303
    assert not saved().policy.rules


def test_a_preview_of_a_stale_page_is_refused(owner: Visitor, rule: Rule) -> None:
    stale = owner.get(path(rule))
    owner.add_rule(action="deny", source="any", destination="any", protocol="icmp")
    owner.answer = stale
    assert owner.send(path(rule), preview="yes").status == 409
