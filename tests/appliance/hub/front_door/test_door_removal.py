"""A door that was removed remembers nobody."""

from __future__ import annotations

import pytest

from appliance.hub.front_door import DoorError, DoorRepair, FrontDoor
from tests.appliance.hub.front_door.world import World


def test_a_door_that_was_removed_admits_nobody(world: World, door: FrontDoor) -> None:
    """Admits an organization again that the door has known: without a table, nobody can be let in."""
    known = world.organizations[0]
    world.hub.in_network(door.remove)
    assert door.admitted() == ()
    with pytest.raises(DoorError):
        door.admit(known.id, known.keys.public, known.inner_port)
    # There is nothing to be dismissed.
    door.dismiss(known.id)
    assert world.open(door) is DoorRepair.AFRESH
