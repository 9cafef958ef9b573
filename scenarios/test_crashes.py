"""Processes of the service are killed at random times, and no answered change is lost."""

from __future__ import annotations

import pytest

from harness.judging.record import Record
from harness.subject.service import Service
from harness.world.crashes import KilledService, survive
from harness.world.customer import DEADLINE_S
from harness.world.damage import REPORTED
from harness.world.world import World

pytestmark = pytest.mark.claim("self-healing")

KILLS = {"quick": 3, "full": 20}


@pytest.mark.announces("a change could not be enforced", *REPORTED)
def test_no_answered_change_is_lost(world: World, record: Record, profile: str) -> None:
    """Hub and web processes are killed under random changes of three customers, while others sign up and leave.

    Every answered change holds. A change without an answer was made as a whole or not at all, and made once when it is
    repeated with its key. Links and store agree in the end.
    """
    service = world.subject.service
    counts = survive(killed_service(service, DEADLINE_S * world.patience), KILLS[profile], world.seed)
    record.measure("processes killed", counts.kills)
    record.measure("changes answered", counts.done)
    record.measure("changes refused for the moment", counts.refused)
    record.measure("changes cut off", counts.cut_off)
    record.measure("reported as done when repeated", counts.confirmed)


def killed_service(service: Service, deadline_s: float) -> KilledService:
    """Returns access to the service's own host."""

    def peers(namespace: str, link: str) -> frozenset[str]:
        shown = service.host.run("ip", "netns", "exec", namespace, "wg", "show", link, "peers")
        return frozenset(shown.stdout.split())

    return KilledService(service.api, service.children, lambda: service.census().values(), peers, deadline_s)
