"""Differences between two states are complete and minimal."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.rpc.codec import decode, encode
from appliance.model.desired import Desired
from appliance.model.difference import StateDifference, between, between_policies, between_rules
from appliance.model.policy import ANYONE, Action, Policy, Rule
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


_NUMBERS = st.lists(st.integers(0, 9), max_size=6)


@given(_NUMBERS, st.lists(st.tuples(_NUMBERS, _NUMBERS), max_size=4), st.sampled_from(Action))
def test_a_changed_policy_is_that_of_its_rules(
    first: list[int], steps: list[tuple[list[int], list[int]]], default: Action
) -> None:
    """Rules also repeat, move to the end, and change under their id."""
    policy = Policy(rules=tuple(_numbered(number) for number in first))
    for gone, new in steps:
        before, ids = policy, {f"r{number}" for number in gone}
        added = [_numbered(number, description=str(number % 2)) for number in new]
        policy = before.changed(ids, added).with_default(default)
        assert policy.rules == (*(rule for rule in before.rules if rule.id not in ids), *added)
        anew = Policy(default, policy.rules)
        assert (policy.weights, list(policy.by_id.items())) == (anew.weights, list(anew.by_id.items()))
        found = between_policies(before, policy)
        if all(len(each.by_id) == len(each.rules) for each in (before, policy)):
            assert found is None or tuple(map(list, found)) == _difference(before.rules, policy.rules)


def test_a_change_of_a_large_policy_compares_no_other_rules() -> None:
    compared: list[object] = []

    class Counted(Rule):
        def __eq__(self, other: object) -> bool:
            compared.append(other)
            return self is other

        __hash__ = Rule.__hash__

    before = Policy(rules=tuple(Counted(f"r{number}", Action.DENY, ANYONE, ANYONE) for number in range(1000)))
    after = before.changed({"r500"}, [_numbered(2000)])
    assert between_policies(before, after) == ((before.rules[500],), (after.rules[-1],))
    assert len(compared) <= 1


def _numbered(number: int, description: str = "") -> Rule:
    return Rule(f"r{number}", Action.DENY, ANYONE, ANYONE, description=description)


def _difference(before: tuple[Rule, ...], after: tuple[Rule, ...]) -> tuple[list[Rule], list[Rule]]:
    return [rule for rule in before if rule not in after], [rule for rule in after if rule not in before]
