"""Flows: what rules with the same ends decided about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.model.desired import Desired
from appliance.model.flows import active_rules, flows_of
from appliance.model.policy import ANYONE, Action
from tests.appliance.strategies import desired_states

COUNTS = st.lists(st.integers(0, 1000), min_size=7, max_size=7)


def packets_of(state: Desired, counts: list[int]) -> dict[str | None, int]:
    """Gives each rule, and the default, a number of packets; the last rules may have none."""
    return dict(zip([None, *(rule.id for rule in state.policy.rules)], counts, strict=False))


@given(desired_states(), COUNTS)
def test_flows_have_every_packet_once(state: Desired, counts: list[int]) -> None:
    packets = packets_of(state, counts)
    flows = flows_of(state.policy, packets)
    assert sum(flow.packets for flow in flows) == sum(packets.values())
    assert [flow.packets for flow in flows] == sorted((flow.packets for flow in flows), reverse=True)
    assert all(flow.packets > 0 for flow in flows)


@given(desired_states(), COUNTS)
def test_flows_join_what_has_the_same_ends_and_verdict(state: Desired, counts: list[int]) -> None:
    packets = packets_of(state, counts)
    flows = flows_of(state.policy, packets)
    keys = [(flow.source, flow.destination, flow.denied, flow.is_default) for flow in flows]
    assert len(set(keys)) == len(keys)
    for rule in state.policy.rules:
        is_listed = (rule.source, rule.destination, rule.action is Action.DENY, False) in keys
        assert is_listed or not packets.get(rule.id)
    assert ((ANYONE, ANYONE, state.policy.default is Action.DENY, True) in keys) is bool(packets[None])


@given(desired_states(), COUNTS)
def test_active_rules_decided_about_packets(state: Desired, counts: list[int]) -> None:
    packets = packets_of(state, counts)
    found = active_rules(state.policy, packets)
    assert {rule.id for rule in found} == {rule.id for rule in state.policy.rules if packets.get(rule.id)}
    assert [packets[rule.id] for rule in found] == sorted((packets[rule.id] for rule in found), reverse=True)


@given(desired_states())
def test_unknown_counts_are_no_flows(state: Desired) -> None:
    assert flows_of(state.policy, {}) == []
