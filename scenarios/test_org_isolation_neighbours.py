"""An ordinary organization beside a hostile one: its packets arrive, its calls are answered, its people get in."""

from __future__ import annotations

import pytest

from harness.hostile import conntrack, front_door, policies, reads
from harness.neighbour import Neighbour
from harness.record import Record
from harness.world import World

pytestmark = pytest.mark.claim("org-isolation")

SECONDS = {"quick": 2.0, "full": 6.0}
RULES = {"quick": 4_000, "full": 20_000}
RULES_OF_MANY_PORTS = 150
"""Of a hundred ports each: together a good part of what a policy may cost."""

_FIRST_PORT, _SOURCES = 42_000, 40


def test_a_tenant_that_floods_the_front_door_holds_up_no_other(world: World, record: Record, profile: str) -> None:
    """One organization sends a thousand handshakes a second, from sources that the hub knows and from others."""
    neighbour = Neighbour(world, record)
    hostile = world.organization(record, "hostile")
    enemy = world.client("enemy")
    address = enemy.addresses("eth0")[0].partition("/")[0]
    sources = [(address, _FIRST_PORT + number) for number in range(_SOURCES)]
    known = front_door.become_known(enemy, hostile.add("knocker")["config"], world.hub_address, sources[:10])
    hub = (world.hub_address, int(str(hostile.organization["endpoint"]).rpartition(":")[2]))
    knocks = neighbour.compare(
        lambda: front_door.knocking(
            enemy.start_tool, hub, hostile.organization["hub_public_key"], sources, sessions=known
        ),
        SECONDS[profile],
        newcomers=2,
    )
    record.at_least("handshakes that the hostile tenant began", knocks.initiations, 500, "messages")


def test_a_tenant_that_reads_all_the_time_holds_up_no_other(world: World, record: Record, profile: str) -> None:
    """Twenty-four connections of one organization read its long policy, its counters and its audit trail."""
    neighbour = Neighbour(world, record)
    hostile = world.organization(record, "hostile")
    reads.fill(hostile.api, RULES[profile], entries=20)
    attacker = world.client("reader")
    damage = neighbour.compare(
        lambda: reads.reading(
            attacker.start_tool, hostile.api.url, str(hostile.api.token), certificate=world.service.certificate
        ),
        SECONDS[profile],
    )
    record.at_least("answers to the hostile tenant", sum(damage.answers.values()), 100, "answers")


def test_a_tenant_that_saves_what_costs_most_holds_up_no_other(world: World, record: Record, profile: str) -> None:
    """One organization saves, over four connections, policies as large as may be, larger ones, and rules one by one."""
    neighbour = Neighbour(world, record)
    hostile = world.organization(record, "hostile")
    attacker = world.client("saver")
    requests = [
        policies.save("allow", policies.rules_of_many_ports(RULES_OF_MANY_PORTS)),
        policies.one_rule_more(),
        policies.save("deny", policies.rules_of_many_ports(1_500)),
        policies.save("deny", policies.rules_of_many_ports(RULES_OF_MANY_PORTS // 2)),
    ]
    damage = neighbour.compare(
        lambda: policies.saving(
            attacker.start_tool,
            hostile.api.url,
            str(hostile.api.token),
            requests,
            certificate=world.service.certificate,
        ),
        SECONDS[profile],
    )
    record.measure("answers to the hostile tenant", str(dict(damage.answers)))
    record.at_least("saves of the hostile tenant that were enforced", damage.answers.get("200", 0), 2, "saves")


def test_a_machine_that_opens_all_it_can_holds_up_no_other_organization(
    world: World, record: Record, profile: str
) -> None:
    """One machine opens connections with itself, thousands in a second, so that the hub has to follow them."""
    neighbour = Neighbour(world, record)
    (hostile,) = world.organization(record, "hostile").machines("opener")
    opened = neighbour.compare(
        lambda: conntrack.filling(hostile.host.start_tool, hostile.address, hostile.tunnel.interface),
        SECONDS[profile],
        newcomers=1,
    )
    record.at_least("connections that the hostile machine opened", opened.connections, 1000, "connections")
