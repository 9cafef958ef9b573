"""A lab with a hub and a front door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from appliance.hub.front_door import FrontDoor
from appliance.hub.names import Names
from netlab import Lab, sandbox
from tests.appliance.hub.front_door.scene import Scene
from tests.appliance.hub.front_door.world import World


@pytest.fixture
def world(names: Names) -> Iterator[World]:
    """A hub on the internet, without any organization."""
    if not sandbox.inside():
        pytest.fail("tests of the front door run in a sandbox: use `./meshwg test --only unit`")
    with Lab() as lab:
        yield World(lab, names)


@pytest.fixture
def door(world: World) -> Iterator[FrontDoor]:
    """The hub's door, open, with two organizations admitted."""
    world.organization()
    world.organization()
    made = world.door()
    yield made
    made.close()


@pytest.fixture
def scene(world: World, door: FrontDoor) -> Iterator[Scene]:
    """Provides an ordinary organization and a hostile one, whose links are sockets."""
    with ExitStack() as stack:
        yield Scene(world, door, stack)
