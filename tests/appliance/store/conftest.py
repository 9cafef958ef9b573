"""Tests of the store, on both databases."""

from __future__ import annotations

import pytest

from tests.appliance import databases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrizes each test of this folder with its databases."""
    databases.parametrize(metafunc)
