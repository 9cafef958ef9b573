"""Proofs of a policy with many groups: they hold, find faults, and walk each chain with few classes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from harness.proof import Machine, Policy, Reading, by_cost, prove
from harness.proof.atoms import Engine
from harness.proof.engines import ENGINES, Z3_COST, cost_of, prove_by
from harness.proof.passages import Memory
from harness.proof.proof import question
from tests.harness.proof.compiled import BY_SECOND_IN_FULL, grouped, policy_of
from tests.harness.proof.ruleset_faults import FAULTS, Edit, Rule, edited, in_chain, parts

pytestmark = pytest.mark.long

_FEW_WALKED = 6_000
"""Without boxes there are 24,000."""


def test_many_groups_are_proven(grouped_reading: Reading) -> None:
    for found in prove_by(ENGINES, grouped_reading, policy_of(grouped())):
        assert found.holds, "\n".join(map(str, found.counterexamples))


def policy_with(*groups: str, ports: str = "") -> Policy:
    """A policy with a machine for each of these lists of groups, and one rule within a group."""
    machines = (Machine(str(at), IPv4Address(at), frozenset(each)) for at, each in enumerate(groups))
    rule = {"action": "allow", "source": "group:a", "destination": "group:a", "ports": ports}
    return Policy(IPv4Network("10.0.0.0/8"), tuple(machines), "deny", [rule])


def test_z3_is_asked_where_rules_come_to_few_pairs() -> None:
    """Machines in the same groups are one class, whatever their number."""
    assert cost_of(policy_with("a", "ab", "b", "ab", ports="22,80-90,443")) == 2 * 2 * 3
    ports = ",".join(map(str, range(Z3_COST // 4)))
    assert by_cost(policy_with("a", "ab", "b", ports=ports)) == ENGINES
    assert by_cost(policy_with("a", "ab", "b", ports=f"{ports},65535")) == ENGINES[:1]


def test_classes_walk_together(grouped_reading: Reading) -> None:
    asked = question(grouped_reading, policy_of(grouped()))
    memory = Memory(asked.space)
    Engine(asked.ruleset, asked.routing, memory).walk()
    assert 0 < memory.walked < _FEW_WALKED


def maps_of(rules: list[Rule], beginning: str, kind: str) -> Iterator[list[Any]]:
    """Elements of the maps of one kind in the chains whose names begin so, but for those of keys with ports."""
    for each in parts([rule for rule in in_chain(rules, beginning) if "ports" not in rule["chain"]]):
        if kind in each and "jhash" not in json.dumps(each[kind]["key"]):
            yield each[kind]["data"]["set"]


def forget_pairs_of_classes(rules: list[Rule]) -> None:
    """A lookup for allowances has half of its pairs of classes."""
    elements = max(maps_of(rules, "allow_udp_gg", "map"), key=len)
    del elements[: len(elements) // 2]


def exchange_two_classes(rules: list[Rule]) -> None:
    """Two machines have the class of each other as sources."""
    elements = max(maps_of(rules, "source", "map"), key=len)
    one, other = elements[0], next(each for each in elements if each[1] != elements[0][1] and each[0] != "*")
    one[1], other[1] = other[1], one[1]


def exchange_two_buckets(rules: list[Rule]) -> None:
    """Two buckets of a lookup for allowances have the elements of each other."""
    one, other = list(maps_of(rules, "allow_udp_gg", "map"))[:2]
    one[:], other[:] = other[:], one[:]


GROUP_FAULTS: Mapping[str, Edit] = {
    edit.__name__: edit for edit in (forget_pairs_of_classes, exchange_two_classes, exchange_two_buckets)
}


@pytest.mark.parametrize("engine", BY_SECOND_IN_FULL)
@pytest.mark.parametrize("fault", GROUP_FAULTS.values(), ids=GROUP_FAULTS)
def test_a_fault_of_groups_is_found(grouped_reading: Reading, fault: Edit, engine: str) -> None:
    (found,) = prove_by([engine], edited(grouped_reading, fault), policy_of(grouped()), most=1)
    assert not found.holds


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_among_many_groups(grouped_reading: Reading, fault: Edit) -> None:
    found = prove(edited(grouped_reading, fault), policy_of(grouped()), most=1)
    assert not found.holds
