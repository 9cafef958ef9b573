"""Fixtures of the upkeep of organizations."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.hub.names import Names
from appliance.hub.plane.keyring import Keyring
from appliance.hub.plane.upkeep import Upkeep
from appliance.store import Store
from tests.appliance.hub.standins import NO_BACKEND, NoDoor
from tests.appliance.sealed import OLD, opens


@pytest.fixture
def door() -> NoDoor:
    return NoDoor(Names("abc"), 51820)


@pytest.fixture
def upkeep(sealed: Store, door: NoDoor, tmp_path: Path) -> Upkeep:
    """Provides upkeep that is not open yet; a test has to close it."""
    keyring = Keyring(sealed, opens(sealed, OLD))
    return Upkeep(Names("abc"), NO_BACKEND, door, sealed, keyring.private_key, tmp_path / "rules")
