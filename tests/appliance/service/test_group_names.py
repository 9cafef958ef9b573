"""Groups whose names read like a selector of a rule: new ones are refused, old ones stay."""

from __future__ import annotations

import pytest

from appliance.model.errors import Invalid
from appliance.model.ids import new_id
from appliance.model.policy import ANYONE, Action, Policy, Rule, Selector, SelectorKind
from appliance.service import Actor, Context, machines
from appliance.service import policy as policies
from appliance.service.machine_bounds import MOST_GROUPS, check_groups


def rule_about(group: str) -> Rule:
    return Rule(new_id(), Action.DENY, ANYONE, Selector(SelectorKind.GROUP, group))


@pytest.mark.parametrize("group", ["any", "machine:x", "Group:office"])
def test_machines_and_rules_can_t_use_a_name_like_a_selector(context: Context, owner: Actor, group: str) -> None:
    machine = machines.add(context, owner, name="a", groups=["office"]).machine
    with pytest.raises(Invalid) as refused:
        machines.add(context, owner, name="b", groups=["office", group])
    assert refused.value.field == "groups"
    with pytest.raises(Invalid):
        machines.change(context, owner, machine.id, groups=["office", group])
    with pytest.raises(Invalid) as refused:
        policies.add_rule(context, owner, rule_about(group))
    assert refused.value.field == "destination"
    assert machines.get(context, owner, machine.id).machine.groups == ("office",)
    assert policies.get(context, owner).policy.rules == ()


def test_an_old_group_with_a_name_like_a_selector_stays(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(machines, "check_new_group", lambda _: None)
        machine = machines.add(context, owner, name="a", groups=["any"]).machine
    machines.change(context, owner, machine.id, name="b")
    machines.change(context, owner, machine.id, groups=["any", "office"])
    rule = policies.add_rule(context, owner, rule_about("any")).result
    machines.change(context, owner, machine.id, groups=["office"])
    # It is named by a rule that is there, so the policy can still be saved, and loaded.
    policies.save(context, owner, Policy(Action.DENY, (rule,)))
    assert policies.get(context, owner).policy.rules == (rule,)
    with pytest.raises(Invalid):
        machines.change(context, owner, machine.id, groups=["any"])


def test_groups_are_counted_before_their_names_are_looked_at() -> None:
    assert len(check_groups(f"group {number}" for number in range(MOST_GROUPS))) == MOST_GROUPS
    with pytest.raises(Invalid, match=f"in at most {MOST_GROUPS} groups"):
        check_groups(f"\n{number}" for number in range(MOST_GROUPS + 1))
