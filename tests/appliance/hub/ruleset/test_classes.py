"""Classes of machines, whose numbers are hashes that two classes may share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.hub.ruleset.classes import classify
from appliance.model.desired import Desired
from appliance.model.policy import ANYONE, Action, Policy, Rule, Selector, SelectorKind
from tests.appliance.hub.ruled import Kernel, members, state_of

COLLIDING = ("group-1645", "group-3318")
"""Names of groups whose classes have one hash."""
_ONE, _OTHER = (Selector(SelectorKind.GROUP, name) for name in COLLIDING)
_TARGET = Selector(SelectorKind.MACHINE, "m2")


def grouped(*rules: Rule) -> Desired:
    """Makes a state with a machine in each group, and one in none."""
    one, other, third = members(3)
    machines = replace(one, groups=frozenset(COLLIDING[:1])), replace(other, groups=frozenset(COLLIDING[1:])), third
    return state_of(machines, Policy(Action.DENY, rules))


def test_colliding_classes_have_a_number_each() -> None:
    alone = [classify(grouped(Rule("r", Action.ALLOW, each, ANYONE))) for each in (_ONE, _OTHER)]
    # Without a collision this test would show nothing: other names have to be found then.
    assert alone[0].of_group[COLLIDING[0]] == alone[1].of_group[COLLIDING[1]]
    both = classify(grouped(Rule("a", Action.ALLOW, _ONE, ANYONE), Rule("b", Action.DENY, _OTHER, ANYONE)))
    assert len(set(both.of_address.values())) == 2
    assert not set(both.of_group[COLLIDING[0]]) & set(both.of_group[COLLIDING[1]])


@pytest.mark.parametrize(("allowed", "denied"), [(_ONE, _OTHER), (_OTHER, _ONE)], ids=["first", "second"])
def test_colliding_groups_keep_their_own_rules(kernel: Kernel, allowed: Selector, denied: Selector) -> None:
    rules = (
        Rule("to", Action.ALLOW, allowed, _TARGET),
        Rule("from", Action.ALLOW, _TARGET, allowed),
        # Names the other group too, which is in no class otherwise.
        Rule("other", Action.DENY, denied, denied),
    )
    state = grouped(*rules)
    kernel.load(state)
    target = state.peers[2]
    for machine in state.peers[:2]:
        may = allowed.name in machine.groups
        assert kernel.wire.passes(kernel.new_flow(machine, target, "udp", 53).opening()) is may
        assert kernel.wire.passes(kernel.new_flow(target, machine, "udp", 53).opening()) is may
