"""Fixtures of several hubs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.hub.names import Names
from appliance.model.ids import new_instance_id
from appliance.store import Store
from tests.appliance.cluster.three_hubs import World, three_hubs


@pytest.fixture
def names() -> Names:
    """Provides the kernel names of a new instance."""
    return Names(new_instance_id())


@pytest.fixture
def three(database: str, store: Store, tmp_path: Path) -> Iterator[World]:
    """Provides three hosts on which no hub runs yet."""
    with three_hubs(store, database, tmp_path) as made:
        yield made
