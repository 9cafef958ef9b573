"""Many organizations are created at once, and each gets a working mesh."""

from __future__ import annotations

import pytest

from harness.burst.attempt import collisions
from harness.burst.clients import client_pairs
from harness.burst.coordinator import BurstSpec
from harness.burst.proof import MeshEndpoint, Unproven, exchange
from harness.burst.report import figures_of
from harness.burst.run import burst
from harness.judging.record import Record
from harness.world.world import World

pytestmark = [pytest.mark.claim("onboarding-burst"), pytest.mark.conditions(loss="none", reorder="none")]

ORGANIZATIONS = {"quick": 20, "full": 100, "soak": 500}
AT_ONCE = 20
PROOF_DEADLINE = 5.0


def test_each_of_many_organizations_has_a_working_mesh(world: World, record: Record, profile: str) -> None:
    """Organizations with equal names, ranges and machines sign up at once, each over its own connection. Two real
    machines of each exchange ten numbered packets and receive no others, and no two organizations share what only one
    may have.
    """
    wanted = ORGANIZATIONS[profile]
    attempts = burst(world, client_pairs(world, AT_ONCE), BurstSpec(wanted, "burst"))
    figures = figures_of(attempts, wanted)
    record.measure("organizations", wanted)
    record.measure("organizations at once", AT_ONCE)
    record.measure("working meshes a second", figures.rate_per_s, "1/s")
    record.measure("from sign-up to a working mesh, median", figures.p50_ms, "ms")
    record.measure("from sign-up to a working mesh, 95th percentile", figures.p95_ms, "ms")
    record.measure("answers that asked an owner to try again a moment later", sum(each.waits for each in attempts))
    record.took("from sign-up to a working mesh", (each.seconds for each in attempts if each.seconds is not None))
    record.none_of("collisions", collisions(attempts), "two share what only one may have")
    failed = [f"{each.number}: {each.error}" for each in attempts if each.error is not None]
    record.none_of("organizations with an error", failed, "organizations were not served")
    record.none_of("organizations without a result", range(wanted - len(attempts)), "some organizations have no result")

    with record.control("machines that a rule denies are no working mesh, and are one without it"):
        mesh = world.organization(record)
        mumbai, pune = mesh.machines("mumbai", "pune")
        ends = MeshEndpoint(mumbai.host, mumbai.address), MeshEndpoint(pune.host, pune.address)
        mesh.deny(mumbai, pune)
        with pytest.raises(Unproven, match="heard nothing"):
            exchange(*ends, 0.5)
        mesh.allow(mumbai, pune)
        exchange(*ends, PROOF_DEADLINE)
