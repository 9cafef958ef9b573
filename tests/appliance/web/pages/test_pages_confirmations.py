"""Changes of the policy that open everything are confirmed first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.model.policy import Action
from appliance.store.policies import SavedPolicy
from tests.appliance.web.pages.visitor import Visitor

OPENINGS: dict[str, tuple[str, dict[str, str]]] = {
    "the default": ("/policy/default", {"default": "allow"}),
    "a rule for everybody": ("/policy/rules", {"action": "allow", "source": "any", "destination": "any"}),
    "one for TCP": ("/policy/rules", {"action": "allow", "source": "any", "destination": "any", "protocol": "tcp"}),
}


@pytest.mark.parametrize("opening", OPENINGS)
def test_opening_everything_needs_a_confirmation(
    owner: Visitor, saved: Callable[[], SavedPolicy], opening: str
) -> None:
    path, fields = OPENINGS[opening]
    owner.get("/policy")
    assert owner.send("/policy/default", default="deny").status == 303, "what closes is not asked"
    before = saved()
    owner.get("/policy")
    asked = owner.send(path, **fields)
    assert asked.status == 200
    assert "Nothing is saved yet" in asked.page.text
    assert ("by TCP" in asked.page.text) is ("TCP" in opening)
    assert saved() == before
    assert owner.send(path).status == 303
    after = saved().policy
    assert (after.default is Action.ALLOW) is (opening == "the default")
    assert len(after.rules) == (opening != "the default")


def test_removing_the_rule_that_closes_everything_is_confirmed(
    owner: Visitor, saved: Callable[[], SavedPolicy]
) -> None:
    for port in ("", "22"):
        closed = {"action": "deny", "source": "any", "destination": "any", "protocol": "tcp", "ports": port}
        assert owner.add_rule(**closed, idle="yes").status == 303
    for rule, is_asked in zip(saved().policy.rules, (True, False), strict=True):
        owner.get("/policy")
        answer = owner.send("/policy/rules/remove", rule=rule.id)
        assert (answer.status == 200) is is_asked
        if is_asked:
            assert "by TCP" in answer.page.text
            assert len(saved().policy.rules) == 2
            answer = owner.send("/policy/rules/remove")
        assert answer.status == 303
    assert not saved().policy.rules


def test_a_narrow_rule_needs_no_confirmation(owner: Visitor) -> None:
    owner.get("/policy")
    owner.send("/policy/default", default="deny")
    narrow = {"action": "allow", "source": "any", "destination": "any", "protocol": "tcp", "ports": "443"}
    assert owner.add_rule(**narrow).status == 303
    assert owner.add_rule(action="allow", source="any", destination="group:db", protocol="any").status == 303
