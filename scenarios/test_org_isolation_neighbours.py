"""An ordinary organization beside a hostile one: its packets arrive, its calls are answered, its people get in."""

from __future__ import annotations

import pytest

from harness.hostile import reads
from harness.neighbour import Neighbour
from harness.record import Record
from harness.world import World

pytestmark = pytest.mark.claim("org-isolation")

SECONDS = {"quick": 2.0, "full": 6.0}
RULES = {"quick": 4_000, "full": 20_000}


def test_a_tenant_that_reads_all_the_time_holds_up_no_other(world: World, record: Record, profile: str) -> None:
    """Twenty-four connections of one organization read its long policy, its counters and its audit trail."""
    neighbour = Neighbour(world, record)
    hostile = world.organization(record, "hostile")
    reads.fill(hostile.api, RULES[profile], entries=20)
    attacker = world.client("reader")
    with reads.reading(
        attacker.start_tool, hostile.api.url, str(hostile.api.token), certificate=world.service.certificate
    ) as damage:
        pass
    neighbour.compare(
        lambda: reads.reading(
            attacker.start_tool,
            hostile.api.url,
            str(hostile.api.token),
            certificate=world.service.certificate,
            log="attack",
        ),
        SECONDS[profile],
    )
    record.measure("answers to the hostile tenant in a first try", sum(damage.answers.values()))
