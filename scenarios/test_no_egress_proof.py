"""No packet of any kind leaves an organization's namespace but to a machine, computed from what its kernel has."""

from __future__ import annotations

import random
from functools import partial

import pytest

from harness.judging.record import Record
from harness.overlay.drawn import draw_rules, groups_of
from harness.world.organizations import of_token
from harness.world.proving import ProofOptions, prove_policy, run_there
from harness.world.world import World

pytestmark = pytest.mark.claim("no-egress")

MACHINES = 4


def test_the_kernel_has_no_way_out_for_any_packet(world: World, record: Record) -> None:
    """Links, routes and rules are read back from an organization's namespace. Its one link is WireGuard's, whose peers
    are the machines; every packet to elsewhere is dropped, and the hub itself is given pings alone.
    """
    run, options = run_there(world.subject.installed), ProofOptions(captures=world.captures)
    mesh = world.organization(record)
    machines = [mesh.add(f"machine {number}", groups_of(number))["machine"]["id"] for number in range(MACHINES)]
    # The most that a policy can allow.
    mesh.save("allow", [])
    record.proved(prove_policy(partial(of_token, mesh.api), run, options).certificate)
    mesh.save("deny", draw_rules(random.Random(f"ways out {world.seed}"), machines))
    record.proved(prove_policy(partial(of_token, mesh.api), run, options).certificate)
