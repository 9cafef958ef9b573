"""The estimated cost of a policy is never below that of its compiled rules."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from appliance.hub.kernel.generation import Ledger
from appliance.hub.plane.enforcement import Enforcement
from appliance.hub.ruleset import Ruleset
from appliance.model.desired import Desired
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange, merge_ports
from tests.appliance.hub.ruled import Kernel, compile_ruleset, members, rule, state_of
from tests.appliance.hub.ruleset.test_ruleset import LINK
from tests.appliance.strategies import desired_states

_BYTES_OF_ONE = 400
_BYTES_OF_NONE = 20_000


@st.composite
def overlapping(draw: st.DrawFn) -> Desired:
    """Makes few machines in many groups, and rules between any groups for overlapping port ranges."""
    groups = [f"g{number}" for number in range(draw(st.integers(1, 6)))]
    machines = tuple(
        replace(machine, groups=frozenset(draw(st.sets(st.sampled_from(groups)))))
        for machine in members(draw(st.integers(1, 8)))
    )
    ends = st.one_of(
        st.sampled_from([Selector(SelectorKind.GROUP, group) for group in groups]),
        st.sampled_from(
            [
                Selector(SelectorKind.ANY),
                Selector(SelectorKind.MACHINE, machines[0].id),
                Selector(SelectorKind.GROUP, "empty"),
            ]
        ),
    )
    ports = st.lists(
        st.tuples(st.integers(1, 120), st.integers(1, 120)).map(lambda ends: PortRange(min(ends), max(ends))),
        min_size=1,
        max_size=20,
    )
    kinds = st.tuples(st.sampled_from(Action), ends, ends, st.sampled_from([Protocol.TCP, Protocol.UDP]), ports)
    rules = tuple(
        Rule(f"rule{number:08}", action, source, destination, protocol, merge_ports(ranges))
        for number, (action, source, destination, protocol, ranges) in enumerate(draw(st.lists(kinds, max_size=12)))
    )
    return state_of(machines, Policy(Action.ALLOW, rules))


def elements(ruleset: Ruleset) -> int:
    """Counts the keys of rules in all sets."""
    return sum(statement.count(' : "r_') for statements in ruleset.leaves.values() for statement in statements)


@given(st.one_of(desired_states(), overlapping()))
def test_a_policy_never_costs_more_than_estimated(desired: Desired) -> None:
    ruleset = compile_ruleset(desired, LINK)
    assert elements(ruleset) <= desired.elements
    assert sum(map(len, ruleset.loading())) <= _BYTES_OF_NONE + _BYTES_OF_ONE * desired.elements


def test_a_stored_policy_that_is_too_large_denies_everything(kernel: Kernel, ledger: Ledger) -> None:
    """Stores a policy that no save accepts, as an earlier version might have."""
    first, second = members(2)
    ports = ",".join(str(2 * number + 1) for number in range(100))
    rules = tuple(rule(f"r{number}", Action.ALLOW, first, second, Protocol.TCP, ports) for number in range(201))
    state = state_of((first, second), Policy(Action.ALLOW, rules))
    enforcement = Enforcement(ledger)
    with capture_logs() as logs:
        enforcement.enforce(kernel.wire.names, state)
    (told,) = [each for each in logs if each["log_level"] == "error"]
    assert "needs 40200 look-ups" in told["why"]
    assert not kernel.wire.passes(kernel.new_flow(first, second, "udp", 53).opening())
    enforcement.enforce(kernel.wire.names, replace(state, policy=state.policy.without_rules({"r0"})))
    assert kernel.wire.passes(kernel.new_flow(first, second, "udp", 53).opening())
    enforcement.forget(kernel.wire.names.namespace)


@given(overlapping(), st.data())
def test_steps_of_a_change_cost_as_much_as_the_whole(desired: Desired, data: st.DataObject) -> None:
    policy = Policy(desired.policy.default)
    for each in desired.policy.rules:
        policy = policy.with_rules([each])
    gone = {rule.id for rule in desired.policy.rules if data.draw(st.booleans())}
    policy = policy.without_rules(gone)
    anew = Policy(policy.default, tuple(rule for rule in desired.policy.rules if rule.id not in gone))
    assert policy == anew
    assert policy.weights == anew.weights
    assert replace(desired, policy=policy).elements == replace(desired, policy=anew).elements
