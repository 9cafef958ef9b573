"""Fixtures of use cases, which run on both databases."""

from __future__ import annotations

import pytest

from tests.appliance import databases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs the tests of this folder on both databases."""
    databases.parametrize(metafunc)
