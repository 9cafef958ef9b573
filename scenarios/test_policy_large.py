"""A policy of thousands of rules about hundreds of machines is enforced as it says."""

from __future__ import annotations

import random
from functools import partial

import pytest

from harness.judging.record import Record
from harness.overlay.drawn import defaults, draw_many, groups_of
from harness.overlay.tables import Tables
from harness.overlay.truth import PortProtocol
from harness.world.organizations import of_token
from harness.world.proving import ProofOptions, prove_policy, run_there
from harness.world.world import World

pytestmark = pytest.mark.claim("policy-enforcement")

MACHINES = {"quick": 20, "full": 300}
RULES = {"quick": 300, "full": 3000}
SAVES = {"quick": 1, "full": 2}
PROOF = {"quick": ProofOptions(engines=lambda _: ("atoms",)), "full": ProofOptions()}
"""The other engine takes longer for many rules; the quick profile uses both for few."""
NAMES = ("asha", "bela", "chand", "dev")
SERVICES = (PortProtocol("tcp", 22), PortProtocol("udp", 53))
ENOUGH, MOST_TABLES = 20, 6
"""Probes of each verdict, and tables of one policy to find them: under many a drawn policy few borders are allowed."""


def test_packets_of_a_large_policy_have_the_fate_that_it_says(world: World, record: Record, profile: str) -> None:
    """Hundreds of rules are saved, most of them about machines that only exist. Packets between four machines, at
    borders of the rules' ports too, have the fate that the policy says, and so have all packets by proof. In the full
    profile, most rules are then removed in one save.
    """
    mesh = world.organization(record)
    machines = mesh.machines(*NAMES, groups=map(groups_of, range(len(NAMES))))
    others = [mesh.add(f"machine {at}", groups_of(at))["machine"]["id"] for at in range(len(NAMES), MACHINES[profile])]
    chance = random.Random(f"large {world.seed}")
    rules = draw_many(chance, [each.id for each in machines], others, RULES[profile])
    tables, allowed, denied = Tables(mesh, SERVICES, chance), 0, 0
    # Buckets of rules grow with the first save, and shrink with the second.
    for default, some in zip(defaults(chance, SAVES[profile]), (rules, rules[::4]), strict=False):
        mesh.save(default, some)
        for _ in range(MOST_TABLES):
            counted = tables.check(machines)
            allowed, denied = allowed + counted.allowed, denied + counted.denied
            if min(allowed, denied) >= ENOUGH:
                break
        proven = prove_policy(partial(of_token, mesh.api), run_there(world.subject.installed), PROOF[profile])
        record.proved(proven.certificate)
        with record.control("the rules are spread over buckets"):
            assert any("hash" in kind for kind in proven.kinds), proven.kinds
    record.measure("machines", MACHINES[profile])
    record.measure("rules", len(rules))
    record.at_least("probes that were allowed", allowed, ENOUGH)
    record.at_least("probes that were denied", denied, ENOUGH)
