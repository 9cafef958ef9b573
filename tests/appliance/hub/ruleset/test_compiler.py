"""A state compiled after another equals the state compiled alone, with few new parts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.ruleset import Compiler, Ruleset, buckets, counter_name
from appliance.model.desired import Desired
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector, SelectorKind
from tests.appliance.hub.ruled import compile_ruleset, members, rule, state_of
from tests.appliance.strategies import GROUPS, desired_states

LINK = "mwabcbbbbbbbbbb"


@st.composite
def steps(draw: st.DrawFn) -> list[Desired]:
    """Generates histories in which rules change and move, and machines change with their groups and addresses."""
    state = draw(desired_states())
    others = draw(st.lists(desired_states(), min_size=1, max_size=3))
    pool = [replace(each, id=f"{each.id}x{at}") for at, other in enumerate(others) for each in other.policy.rules]
    history = [state]
    for _ in range(draw(st.integers(1, 6))):
        rules, peers = list(state.policy.rules), list(state.peers)
        match draw(st.sampled_from(["more", "less", "order", "other", "regroup", "machine", "address", "all"])):
            case "more" if pool:
                new = pool.pop()
                rules.insert(draw(st.integers(0, len(rules))), new)
            case "less" if rules:
                del rules[draw(st.integers(0, len(rules) - 1))]
            case "order":
                rules = draw(st.permutations(rules))
            case "other" if rules and pool:
                at = draw(st.integers(0, len(rules) - 1))
                rules[at] = replace(pool.pop(), id=rules[at].id)
            case "regroup":
                at = draw(st.integers(0, len(peers) - 1))
                peers[at] = replace(peers[at], groups=frozenset(draw(st.sets(st.sampled_from(GROUPS)))))
            case "machine" if len(peers) > 1:
                del peers[draw(st.integers(0, len(peers) - 1))]
            case "address":
                at = draw(st.integers(0, len(peers) - 1))
                peers[at] = replace(peers[at], address=IPv4Address("10.100.7.0") + len(history))
            case "all":
                other = draw(st.sampled_from(others))
                rules, peers = list(other.policy.rules), list(other.peers)
        state = replace(state, policy=Policy(draw(st.sampled_from(Action)), tuple(rules)), peers=tuple(peers))
        history.append(state)
    return history


@given(steps(), st.sampled_from([1, 2, 64]), st.booleans())
def test_a_history_compiles_to_the_ruleset_of_its_last_state(history: list[Desired], most: int, copied: bool) -> None:
    """Varies the size of buckets and shared rule objects, which make no difference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buckets, "MOST_IN_ONE", most)
        compiler = Compiler()
        for state in history:
            if copied:
                state = replace(
                    state, policy=Policy(state.policy.default, tuple(replace(r) for r in state.policy.rules))
                )
            found, alone = compiler.compile(state, LINK), compile_ruleset(state, LINK)
            assert found == alone
            assert found.fingerprint == alone.fingerprint


def test_one_more_rule_changes_one_bucket() -> None:
    machines = members(200)
    rules = pairs(5000)
    compiler = Compiler()
    before = compiler.compile(state_of(machines, Policy(Action.ALLOW, rules)), LINK)
    more = (*rules, rule("more", Action.DENY, machines[7], machines[8], Protocol.UDP, "99"))
    after = compiler.compile(state_of(machines, Policy(Action.ALLOW, more)), LINK)
    assert len(new(before, after)) == 1
    assert after.counters - before.counters == {"r_more"}
    back = compiler.compile(state_of(machines, Policy(Action.ALLOW, rules)), LINK)
    assert back == before


def test_a_machine_in_another_group_has_that_group_s_rules() -> None:
    """Keeps the rules that name other groups and machines unchanged."""
    machines = tuple(
        replace(machine, groups=frozenset({f"g{number % 10}"})) for number, machine in enumerate(members(200))
    )
    groups = [Selector(SelectorKind.GROUP, f"g{number}") for number in range(10)]
    between = tuple(
        Rule(f"b{number}", Action.ALLOW, groups[number // 10], groups[number % 10]) for number in range(100)
    )
    compiler = Compiler()
    state = state_of(machines, Policy(Action.DENY, (*pairs(5000), *between)))
    before = compiler.compile(state, LINK)
    moved = replace(machines[3], groups=frozenset({"g3", "g4"}))
    after = compiler.compile(replace(state, peers=(*machines[:3], moved, *machines[4:])), LINK)
    # Both ends' classes, and the lookup of all rules between groups.
    assert 3 <= len(new(before, after)) <= 10
    assert after == compile_ruleset(replace(state, peers=(*machines[:3], moved, *machines[4:])), LINK)


def test_rules_about_a_machine_that_returns_hold_again() -> None:
    """A disabled machine has no rules in the kernel, and some may be saved meanwhile."""
    one, two = machines = members(2)
    rules = (rule("one", Action.DENY, one, two), rule("two", Action.DENY, two, one))
    state = state_of(machines, Policy(Action.ALLOW, rules))
    compiler = Compiler()
    for peers, policy in ((machines, rules[:1]), ((two,), rules[:1]), ((two,), rules), (machines, rules)):
        now = replace(state, peers=peers, policy=replace(state.policy, rules=policy))
        assert compiler.compile(now, LINK) == compile_ruleset(now, LINK)


def pairs(count: int) -> tuple[Rule, ...]:
    """Makes rules for one port between 200 machines, each for another pair."""
    machines = members(200)
    return tuple(
        rule(f"n{at}", Action.DENY, machines[at % 200], machines[(at // 200 + at + 1) % 200], Protocol.UDP, "53")
        for at in range(count)
    )


def new(before: Ruleset, after: Ruleset) -> set[str]:
    """Lists the leaves that the other ruleset does not have."""
    return after.leaves.keys() - before.leaves.keys()


def test_content_after_a_removal_lacks_what_was_removed() -> None:
    one, two = machines = members(2)
    rules = (rule("one", Action.DENY, one, two), rule("two", Action.ALLOW, one, two, Protocol.TCP, "22"))
    before = compile_ruleset(state_of(machines, Policy(Action.ALLOW, rules)), LINK)
    gone = {min(before.leaves), "judge", counter_name("one")}
    after = before.without(gone, emptied=["gate"])
    assert after.names == before.names - gone
    assert after.chains["gate"] == ()
    assert {**after.chains, "gate": before.chains["gate"], "judge": before.chains["judge"]} == before.chains
    assert before.without(()) == before
    assert before.without((), emptied=["gate"]).chains["gate"] == ()
