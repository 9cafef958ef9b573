"""Randomly drawn policies: they have rules of every kind, and enough in one lookup for several buckets."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.overlay.drawn import defaults, draw_many, draw_rules, groups_of

MACHINES = ("a", "b", "c", "d")
_BUCKET = 64
_LAST_PORT = 65535


@given(st.integers(0, 2**32), st.integers(15, 40))
def test_drawn_rules_have_every_kind_of_ends_and_many_ports(seed: int, number: int) -> None:
    rules = draw_rules(random.Random(seed), MACHINES, number)
    assert len(rules) == number
    kinds = Counter((rule["source"].partition(":")[0], rule["destination"].partition(":")[0]) for rule in rules)
    assert len(kinds) == 9
    ports = [
        rule["ports"].split(",") for rule in rules if rule.get("protocol") == "tcp" and "," in rule.get("ports", "")
    ]
    assert sum(map(len, ports)) > _BUCKET
    assert any("-" in each for each in ports[0])
    for of_rule in ports:
        ends = [(int(each.split("-")[0]), int(each.split("-")[-1])) for each in of_rule]
        assert all(first <= last <= _LAST_PORT for first, last in ends)
        assert all(before[1] + 1 < after[0] for before, after in pairwise(ends))


@given(st.integers(0, 2**32))
def test_no_rule_decides_everything(seed: int) -> None:
    for rule in draw_rules(random.Random(seed), MACHINES):
        assert rule["source"] != "any" or "ports" in rule


def test_four_machines_have_all_combinations_of_groups() -> None:
    assert {frozenset(groups_of(number)) for number in range(4)} == {
        frozenset(each) for each in ([], ["red"], ["blue"], ["red", "blue"])
    }


@given(st.integers(0, 2**32), st.integers(1, 9))
def test_each_default_is_drawn_as_often_as_the_other(seed: int, number: int) -> None:
    drawn = defaults(random.Random(seed), number)
    assert len(drawn) == number
    assert abs(drawn.count("allow") - drawn.count("deny")) <= number % 2


def test_both_defaults_are_drawn_by_some_seed() -> None:
    assert {defaults(random.Random(seed), 1)[0] for seed in range(20)} == {"allow", "deny"}


def test_many_rules_name_live_machines_often_and_decide_little() -> None:
    live, others = ["a", "b", "c", "d"], [f"m{number}" for number in range(20)]
    rules = draw_many(random.Random(3), live, others, 300)
    assert len(rules) == 300
    named = {f"machine:{each}" for each in live}
    between = [rule for rule in rules if {rule["source"], rule["destination"]} <= named]
    touching = [rule for rule in rules if {rule["source"], rule["destination"]} & named]
    assert len(between) > 50
    assert len(touching) > 150
    assert all(rule["ports"] for rule in rules)
