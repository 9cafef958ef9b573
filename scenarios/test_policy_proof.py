"""Proof, from the rules in the hub's kernel, that every packet has the fate that the policy says."""

from __future__ import annotations

import random
from functools import partial

import pytest

from harness.judging.record import Record
from harness.overlay.drawn import draw_rules, groups_of
from harness.world.organizations import of_token
from harness.world.proving import ProofOptions, prove_policy, run_there
from harness.world.world import World

pytestmark = pytest.mark.claim("policy-enforcement")

POLICIES = {"quick": 1, "full": 8}
MACHINES, DAMAGED_MACHINES = 6, 4


def test_every_packet_has_the_fate_that_the_policy_says(world: World, record: Record, profile: str) -> None:
    """Rules of every kind are saved and read back from the hub's kernel, under each default. All packets in all states
    of connection tracking are forwarded exactly if the policy says so.
    """
    run, options = run_there(world.subject.installed), ProofOptions(captures=world.captures)
    mesh = world.organization(record)
    machines = [mesh.add(f"machine {number}", groups_of(number))["machine"]["id"] for number in range(MACHINES)]
    chance = random.Random(f"proofs {world.seed}")
    for _ in range(POLICIES[profile]):
        # Rules of one pair whose ports overlap are drawn too seldom.
        pair = {"action": "allow", "source": f"machine:{machines[0]}", "destination": f"machine:{machines[1]}"}
        overlapping = [{**pair, "protocol": "tcp", "ports": ports} for ports in ("20-30,40", "25-35,40-50")]
        rules = [*draw_rules(chance, machines), *overlapping]
        for default in ("deny", "allow"):
            mesh.save(default, rules)
            record.proved(prove_policy(partial(of_token, mesh.api), run, options).certificate)
    record.measure("policies", 2 * POLICIES[profile])


@pytest.mark.full
def test_a_real_packet_of_each_class_fares_as_computed(world: World, record: Record) -> None:
    """A drawn policy is saved and read back from the hub's kernel. One real packet of each class that the rules tell
    apart, in each state of connection tracking, goes through a copy of them, and has the fate that the proof computes.
    """
    mesh = world.organization(record)
    machines = [mesh.add(f"machine {number}", groups_of(number))["machine"]["id"] for number in range(MACHINES)]
    chance = random.Random(f"packets {world.seed}")
    allowed = {"action": "allow", "source": f"machine:{machines[0]}", "destination": f"machine:{machines[1]}"}
    mesh.save(chance.choice(("deny", "allow")), [allowed, *draw_rules(chance, machines)])
    options = ProofOptions(captures=world.captures, seed=world.seed, control=True)
    found = prove_policy(partial(of_token, mesh.api), run_there(world.subject.installed), options)
    record.proved(found.certificate)
    assert found.compared is not None
    assert found.control is not None
    record.measure("pairs of a class and a state", found.compared.pairs)
    record.at_least("real packets", found.compared.agreed + len(found.compared.wrong), found.compared.pairs // 2)
    record.none_of("real packets with another fate", found.compared.wrong, "the kernel does not do what is computed")
    with record.control("the packets contradict a wrong meaning of the rules, by which nothing is forwarded"):
        assert found.control.wrong


def test_no_deletion_in_the_kernel_lets_denied_packets_pass(world: World, record: Record) -> None:
    """Rules of every kind are saved and read back from the hub's kernel. Whatever single rule, chain, route or setting
    is deleted there, no packet passes that the policy denies.
    """
    mesh = world.organization(record)
    machines = [mesh.add(f"machine {at}", groups_of(at))["machine"]["id"] for at in range(DAMAGED_MACHINES)]
    # A denial that needs the sender's group, of what anybody else may send: drawn rules do not always have one.
    last = f"machine:{machines[-1]}"
    denied = {"action": "deny", "source": f"group:{groups_of(1)[0]}", "destination": last}
    allowed = {"action": "allow", "source": "any", "destination": last, "protocol": "udp", "ports": "7"}
    drawn = draw_rules(random.Random(f"deletions {world.seed}"), machines)
    mesh.save("deny", [denied, allowed, *drawn])
    options = ProofOptions(deletions=True, captures=world.captures)
    found = prove_policy(partial(of_token, mesh.api), run_there(world.subject.installed), options)
    record.proved(found.certificate)
    assert found.damage is not None
    record.measure("deletions", sum(found.damage.deletions.values()))
    record.none_of("deletions that open", found.openings, "a deletion lets packets pass that the policy denies")
