"""Audit trail entries about policy changes, which have a bounded size."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.difference import differences
from appliance.model.entries import LEFT_OUT, LONGEST
from appliance.model.ids import new_id
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import parse_ports
from appliance.service import Actor, Context, machines, organizations
from appliance.service import policy as policies
from appliance.service.policy_trail import MOST_TOLD


def last_entry(context: Context, owner: Actor) -> dict[str, Any]:
    (entry, *_), _ = organizations.trail(context, owner)
    return entry.detail


def rule(source: Selector = ANYONE, description: str = "", ports: str = "") -> Rule:
    protocol = Protocol.TCP if ports else Protocol.ANY
    return Rule(new_id(), Action.DENY, source, ANYONE, protocol, parse_ports(ports), description)


def test_added_and_removed_rules_are_told_with_present_names(context: Context, owner: Actor) -> None:
    machine = machines.add(context, owner, name="branch-mumbai").machine
    about_it, other = rule(Selector(SelectorKind.MACHINE, machine.id), "no backups by day", "22,80"), rule()
    policies.save(context, owner, Policy(Action.DENY, (other,)))
    assert last_entry(context, owner) == {
        "added": ["deny any to any"],
        "previous_default": "allow",
        "version": 2,
        "default": "deny",
        "rules": 1,
    }
    policies.save(context, owner, Policy(Action.DENY, (about_it,)))
    told = f"deny machine:{machine.id} “branch-mumbai” to any, tcp 22,80 (no backups by day)"
    assert last_entry(context, owner) == {
        "removed": ["deny any to any"],
        "added": [told],
        "version": 3,
        "default": "deny",
        "rules": 1,
    }
    machines.change(context, owner, machine.id, name="branch-pune")
    machines.remove(context, owner, machine.id)
    detail = last_entry(context, owner)
    assert detail["removed"] == [told.replace("mumbai", "pune")]
    assert detail["rules_removed"] == 1


def test_a_save_that_changes_no_rule_says_so(context: Context, owner: Actor) -> None:
    first, second = rule(description="a"), rule(description="b")
    policies.save(context, owner, Policy(Action.ALLOW, (first, second)))
    policies.save(context, owner, Policy(Action.ALLOW, (first, second)))
    assert last_entry(context, owner) == {"version": 3, "default": "allow", "rules": 2}
    policies.save(context, owner, Policy(Action.ALLOW, (second, first)))
    assert last_entry(context, owner) == {"rules_moved": True, "version": 4, "default": "allow", "rules": 2}


def test_the_first_of_many_rules_are_told_the_others_counted(context: Context, owner: Actor) -> None:
    # A character outside of the first plane takes most bytes.
    many = tuple(
        rule(Selector(SelectorKind.GROUP, f"{n:03}" + "\U0001f600" * 250), "\U0001f600" * 500) for n in range(40)
    )
    policies.save(context, owner, Policy(Action.ALLOW, many))
    policies.save(context, owner, Policy(Action.ALLOW, (rule(),)))
    detail = last_entry(context, owner)
    assert len(json.dumps(detail)) <= LONGEST
    assert detail["added"] == ["deny any to any"]
    assert detail["removed"][0].startswith("deny group:000")
    assert len(detail["removed"]) + detail["removed" + LEFT_OUT] == len(many)


def test_only_the_rules_that_are_told_are_formatted(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Rule] = []
    in_words = Rule.described_with

    def noting(each: Rule, ends: Callable[[Selector], str]) -> str:
        told.append(each)
        return in_words(each, ends)

    monkeypatch.setattr(Rule, "described_with", noting)
    policies.save(context, owner, Policy(Action.ALLOW, tuple(rule() for _ in range(2000))))
    policies.save(context, owner, Policy(Action.ALLOW))
    assert len(told) == 2 * MOST_TOLD


@given(st.permutations(range(6)), st.permutations(range(6)), st.integers(0, 6), st.integers(0, 6))
def test_differences_are_exact_in_any_order(one: list[int], other: list[int], had: int, has: int) -> None:
    rules = [Rule(str(n), Action.DENY, ANYONE, ANYONE, description=str(n)) for n in range(6)]
    before, after = (tuple(rules[n] for n in each) for each in (one[:had], other[:has]))
    gone, new = differences(Policy(rules=before), Policy(rules=after))
    assert set(gone) == set(before) - set(after)
    assert set(new) == set(after) - set(before)


def test_a_changed_name_or_plan_is_told_with_the_previous_one(context: Context, owner: Actor) -> None:
    name = organizations.get(context, owner).name
    organizations.change(context, owner, name="Another")
    assert last_entry(context, owner) == {"name": "Another", "plan": "free", "previous_name": name}
    organizations.change(context, owner, plan="paid")
    assert last_entry(context, owner) == {"name": "Another", "plan": "paid", "previous_plan": "free"}


def test_a_rotation_tells_both_public_keys(context: Context, owner: Actor) -> None:
    before = machines.add(context, owner, name="a").machine
    after = machines.rotate(context, owner, before.id).machine
    detail = last_entry(context, owner)
    assert (detail["previous_public_key"], detail["public_key"]) == (before.public_key, after.public_key)
