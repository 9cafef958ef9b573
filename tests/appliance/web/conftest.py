"""Fixture of the tests of pages and of languages."""

from __future__ import annotations

import pytest
from babel.messages.catalog import Catalog

from appliance.web.languages import upkeep


@pytest.fixture(scope="session")
def code() -> Catalog:
    """Extracts all messages of the code, once, because it takes a second."""
    return upkeep.extracted()
