"""Differences between two states are complete and minimal."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.rpc.codec import decode, encode
from appliance.model.desired import Desired
from appliance.model.difference import StateDifference, between, between_rules
from appliance.model.policy import ANYONE, Action, Rule
from tests.appliance.strategies import desired_states


@given(st.lists(st.integers(0, 9), unique=True), st.lists(st.integers(0, 9), unique=True))
def test_a_difference_has_the_removed_and_the_added_rules(one: list[int], other: list[int]) -> None:
    before, after = (
        [Rule(f"r{number}", Action.DENY, ANYONE, ANYONE) for number in numbers] for numbers in (one, other)
    )
    kept = [each for each in before if each in after]
    found = between_rules(before, after)
    if kept != [each for each in after if each in before]:
        assert found is None
        return
    assert found is not None
    assert list(found[0]) == [each for each in before if each not in after]
    assert list(found[1]) == [each for each in after if each not in before]


@given(desired_states(), desired_states(), st.data())
def test_a_difference_sent_over_rpc_leads_to_the_new_state(
    before: Desired, other: Desired, data: st.DataObject
) -> None:
    """Rules added at the end give a difference; rules added in front give none."""
    kept = tuple(rule for rule in before.policy.rules if data.draw(st.booleans()))
    new = tuple(replace(rule, id=f"new{rule.id}") for rule in other.policy.rules)
    policy = replace(before.policy, default=other.policy.default, rules=(*kept, *new))
    after = replace(before, policy=policy, peers=data.draw(st.sampled_from([before.peers, other.peers])))
    found = between(before, after)
    assert found is not None
    assert len(found.rules) == len(new)
    assert len(found.rules_gone) == len(before.policy.rules) - len(kept)
    received = decode(encode(found), StateDifference)
    assert received.apply_to(before) == after
    assert received.apply_to(before).policy.weights == after.policy.weights
    if kept and new:
        assert between(before, replace(after, policy=replace(policy, rules=(*new, *kept)))) is None
    assert between(before, replace(after, port=before.port + 1)) is None
