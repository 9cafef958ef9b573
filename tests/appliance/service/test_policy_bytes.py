"""The rules of an organization are bounded in bytes, too."""

from __future__ import annotations

import pytest

from appliance.model.errors import Invalid
from appliance.model.ids import new_id
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange
from appliance.service import Actor, Context, machines, organizations, policy
from appliance.service.policy_saves import MOST_BYTES
from appliance.store import policies, schema


def rule(text: str, machine: str | None = None) -> Rule:
    source = ANYONE if machine is None else Selector(SelectorKind.MACHINE, machine)
    ports = (PortRange(1, 2), PortRange(5, 5))
    return Rule(new_id(), Action.DENY, source, ANYONE, Protocol.TCP, ports, description=text)


def test_the_stored_size_is_that_of_the_rules_after_any_changes(context: Context, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a").machine.id
    first, second, third = rule("\U0001f600" * 500), rule("b", machine), rule("c")
    policy.save(context, owner, Policy(rules=(first, second)))
    policy.add_rule(context, owner, third)
    policy.save(context, owner, Policy(rules=(third, first, second)))
    policy.remove_rule(context, owner, policy.get(context, owner).policy.rules[0].id)
    machines.remove(context, owner, machine)
    kept = policy.get(context, owner).policy
    assert [each.description for each in kept.rules] == [first.description]
    counted = organizations.get(context, owner).policy_bytes
    assert counted == policies.growth((), kept.rules) > 2000
    policy.save(context, owner, Policy())
    assert organizations.get(context, owner).policy_bytes == 0


def test_a_rule_beyond_the_bound_in_bytes_is_refused(context: Context, owner: Actor) -> None:
    made = policy.add_rule(context, owner, rule("a")).result
    with context.store.write() as transaction:
        transaction.execute(schema.organizations.update().values(policy_bytes=MOST_BYTES - 50))
    with pytest.raises(Invalid, match=str(MOST_BYTES)) as refused:
        policy.add_rule(context, owner, rule("b"))
    assert refused.value.field == "rules"
    policy.remove_rule(context, owner, made.id)
    assert policy.get(context, owner).policy.rules == ()
