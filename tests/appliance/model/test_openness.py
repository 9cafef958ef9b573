"""Protocols that a policy leaves open to everybody."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from hypothesis import example, given
from hypothesis import strategies as st

from appliance.model.desired import Desired
from appliance.model.openness import open_protocols
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule
from appliance.model.port_ranges import parse_ports
from appliance.model.verdict import ConnectionEnd, decide
from tests.appliance.strategies import desired_states

EVERY_PORT = parse_ports("1-65535")
ANYBODY = ConnectionEnd("unknown")
"""A machine that no rule names, by id or by group."""


@given(desired_states(), st.sampled_from(Protocol), st.integers(1, 65535))
def test_unknown_machines_reach_exactly_the_open_protocols(desired: Desired, protocol: Protocol, port: int) -> None:
    verdict = decide(desired.policy, ANYBODY, ANYBODY, protocol, port if protocol.has_ports else None)
    if protocol in open_protocols(desired.policy):
        assert verdict.action is Action.ALLOW or (verdict.rule is not None and verdict.rule.ports)
    else:
        assert verdict.action is Action.DENY or (verdict.rule is not None and verdict.rule.ports)


@given(desired_states())
@example(
    Desired(
        "bbbbbbbbbb",
        IPv4Network("10.100.0.0/16"),
        51820,
        "hub",
        b"",
        b"",
        policy=Policy(rules=(Rule("r", Action.DENY, ANYONE, ANYONE, Protocol.TCP, EVERY_PORT),)),
    )
)
def test_narrow_rules_do_not_change_open_protocols(desired: Desired) -> None:
    general = [
        rule
        for rule in desired.policy.rules
        if rule.source == rule.destination == ANYONE and rule.ports in ((), EVERY_PORT)
    ]
    assert open_protocols(replace(desired.policy, rules=tuple(general))) == open_protocols(desired.policy)


@given(desired_states())
def test_one_rule_for_everything_opens_or_closes_all_protocols(desired: Desired) -> None:
    deny, allow = (Rule(action.value, action, ANYONE, ANYONE) for action in (Action.DENY, Action.ALLOW))
    assert not open_protocols(desired.policy.with_rules([deny, allow]))
    assert open_protocols(Policy(Action.DENY, (allow,))) == open_protocols(Policy()) == frozenset(Protocol)


def test_a_range_of_every_port_counts_as_all_ports() -> None:
    rule = Rule("x", Action.ALLOW, ANYONE, ANYONE, Protocol.TCP, parse_ports("1-30000,30001-65535"))
    assert open_protocols(Policy(Action.DENY, (rule,))) == {Protocol.TCP}
    assert not open_protocols(Policy(Action.DENY, (replace(rule, ports=parse_ports("1-65534")),)))
