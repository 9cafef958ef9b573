"""Nothing of one organization can reach another, computed from what the kernel has for each of them."""

from __future__ import annotations

import random
from functools import partial

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.drawn import draw_rules, groups_of
from harness.overlay.mesh import Mesh
from harness.world.doorproving import prove_front_door
from harness.world.organizations import of_token
from harness.world.proving import ProofOptions, Proven, prove_policy, run_there
from harness.world.world import World

pytestmark = pytest.mark.claim("org-isolation")

MACHINES = 4
DATAGRAMS = 300
"""All of them would take a minute; each seed has others."""


def test_no_packet_can_pass_between_two_namespaces(world: World, record: Record) -> None:
    """Two organizations have equal addresses and unlike policies. Each has a namespace with one link, whose peers are
    its own machines, and all packets there have the fate that its own policy says.
    """
    run, options = run_there(world.subject.installed), ProofOptions(captures=world.captures)
    chance = random.Random(f"organizations {world.seed}")
    meshes = [_organization(world.organization(record, name), chance) for name in ("acme", "bolt")]
    proofs = [prove_policy(partial(of_token, mesh.api), run, options) for mesh in meshes]
    for each in proofs:
        record.proved(each.certificate)
    _check_apart(*proofs)


def test_each_datagram_reaches_its_own_link_or_none(world: World, record: Record) -> None:
    """The rules of the public UDP port are read back from the hub's host. Whatever their maps contain and whatever
    comes, a message reaches the link of the session that it belongs to, and nobody changes what is another's.
    """
    run, options = run_there(world.subject.installed), ProofOptions(captures=world.captures)
    organizations = [of_token(world.organization(record, name).api) for name in ("acme", "bolt")]
    record.proved_door(prove_front_door(organizations, run, are_all=False, options=options).certificate)


@pytest.mark.full
def test_a_real_datagram_of_each_class_fares_as_computed(world: World, record: Record) -> None:
    """The rules of the public UDP port are read back. Real datagrams of the classes that they tell apart, chosen by the
    seed, go through a copy of them, among contents of the maps of each class. Each of them, and each entry that it
    meets, fares as the proof computes.
    """
    organizations = [of_token(world.organization(record, name).api) for name in ("acme", "bolt")]
    options = ProofOptions(captures=world.captures, seed=world.seed, control=True)
    run = run_there(world.subject.installed)
    found = prove_front_door(organizations, run, are_all=False, options=options, most=DATAGRAMS)
    record.proved_door(found.certificate)
    assert found.compared is not None
    assert found.control is not None
    record.measure("classes of datagrams and contents", found.compared.classes)
    record.at_least("real datagrams", found.compared.agreed + len(found.compared.wrong), DATAGRAMS // 2)
    record.none_of("real datagrams with another fate", found.compared.wrong, "the kernel does not do what is computed")
    with record.control("the datagrams contradict a wrong meaning of the rules, by which nothing is dropped"):
        assert found.control.wrong


def _organization(mesh: Mesh, chance: random.Random) -> Mesh:
    machines = [mesh.add(f"machine {number}", groups_of(number))["machine"]["id"] for number in range(MACHINES)]
    mesh.save(chance.choice(("deny", "allow")), draw_rules(chance, machines))
    return mesh


def _check_apart(one: Proven, other: Proven) -> None:
    if one.namespace == other.namespace:
        raise Refuted(f"two organizations share the namespace {one.namespace}")
    if one.organization.policy.network != other.organization.policy.network:
        raise Refuted("two new organizations with the default range got different ones")
    if shared := set(one.organization.keys.values()) & set(other.organization.keys.values()):
        raise Refuted(f"two organizations share keys: {shared}")
