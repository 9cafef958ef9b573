"""Fixtures of several hubs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store import Store
from tests.appliance.cluster.three_hubs import World, three_hubs


@pytest.fixture
def three(database: str, store: Store, tmp_path: Path) -> Iterator[World]:
    """Provides three hosts on which no hub runs yet."""
    with three_hubs(store, database, tmp_path) as made:
        yield made
