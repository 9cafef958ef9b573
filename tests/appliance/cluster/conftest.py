"""Fixtures of several hubs."""

from __future__ import annotations

import pytest

from appliance.hub.names import Names
from appliance.model.ids import new_instance_id


@pytest.fixture
def names() -> Names:
    """Provides the kernel names of a new instance."""
    return Names(new_instance_id())
