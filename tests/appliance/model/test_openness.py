"""What a policy leaves open to everybody."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from appliance.model.desired import Desired
from appliance.model.openness import open_protocols
from appliance.model.policy import ANYONE, Action, Party, Policy, Protocol, Rule, decide, parse_ports
from tests.appliance.strategies import desired_states

ANYBODY = Party("somebody new")
"""A machine that no rule names, and whose groups none does."""


@given(desired_states(), st.sampled_from(Protocol), st.integers(1, 65535))
def test_it_is_open_where_a_machine_that_nobody_knows_gets_through(
    desired: Desired, protocol: Protocol, port: int
) -> None:
    verdict = decide(desired.policy, ANYBODY, ANYBODY, protocol, port if protocol.has_ports else None)
    if protocol in open_protocols(desired.policy):
        assert verdict.action is Action.ALLOW or (verdict.rule is not None and verdict.rule.ports)
    else:
        assert verdict.action is Action.DENY or (verdict.rule is not None and verdict.rule.ports)


@given(desired_states())
def test_narrow_rules_neither_open_nor_close(desired: Desired) -> None:
    general = [rule for rule in desired.policy.rules if rule.source == rule.destination == ANYONE and not rule.ports]
    assert open_protocols(replace(desired.policy, rules=tuple(general))) == open_protocols(desired.policy)


@given(desired_states())
def test_one_rule_about_everything_closes_or_opens_all(desired: Desired) -> None:
    deny, allow = (Rule(action.value, action, ANYONE, ANYONE) for action in (Action.DENY, Action.ALLOW))
    assert not open_protocols(desired.policy.with_rules([deny, allow]))
    assert open_protocols(Policy(Action.DENY, (allow,))) == open_protocols(Policy()) == frozenset(Protocol)


def test_a_range_of_every_port_is_all_ports() -> None:
    rule = Rule("x", Action.ALLOW, ANYONE, ANYONE, Protocol.TCP, parse_ports("1-30000,30001-65535"))
    assert open_protocols(Policy(Action.DENY, (rule,))) == {Protocol.TCP}
    assert not open_protocols(Policy(Action.DENY, (replace(rule, ports=parse_ports("1-65534")),)))
