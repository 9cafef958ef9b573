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
from harness.world.proving import ProofOptions, Proven, of_token, prove_policy, run_there
from harness.world.world import World

pytestmark = pytest.mark.claim("org-isolation")

MACHINES = 4


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
    run = run_there(world.subject.installed)
    organizations = [of_token(world.organization(record, name).api) for name in ("acme", "bolt")]
    record.proved_door(prove_front_door(organizations, run, are_all=False).certificate)


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
