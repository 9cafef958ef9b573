"""What a use case does, it does on both databases."""

from __future__ import annotations

import pytest

from tests.appliance import databases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Asked for each test of this folder."""
    databases.parametrize(metafunc)
