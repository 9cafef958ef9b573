"""Fixtures of the command line's tests: a data folder, and the end of the service in it."""

from tests.appliance.cli.conftest import data, swept

__all__ = ["data", "swept"]
