"""Fixtures of a real arbiter over a fake data plane."""

from __future__ import annotations

import pytest

from appliance.hub.plane.arbiter import Arbiter
from appliance.store import Store
from tests.appliance.hub.arbitrated import ArbitratedHub, MadeUpDoor, MadeUpPlane, make_arbiter


@pytest.fixture
def plane() -> MadeUpPlane:
    return MadeUpPlane()


@pytest.fixture
def door() -> MadeUpDoor:
    return MadeUpDoor()


@pytest.fixture
def arbiter(store: Store, plane: MadeUpPlane, door: MadeUpDoor) -> Arbiter:
    return make_arbiter(store, plane, door)


@pytest.fixture
def hub(arbiter: Arbiter) -> ArbitratedHub:
    return ArbitratedHub(arbiter=arbiter)
