"""The front door with real WireGuard on both sides."""

from __future__ import annotations

import pytest

from appliance.hub.door import FrontDoor
from tests.appliance.hub.door.world import DEADLINE, HUB4, HUB6, World


@pytest.mark.parametrize("hub", [HUB4, HUB6])
def test_organizations_with_the_same_addresses_share_one_port(world: World, door: FrontDoor, hub: str) -> None:
    first, second = world.organizations
    machines = [world.machine(organization, number, hub) for number, organization in ((11, first), (12, second))]
    for machine in machines:
        assert machine.reaches_the_hub(DEADLINE)
    assert door.counters().demultiplexed == 2
