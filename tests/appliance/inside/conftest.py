"""A place for a service, and its end, as the tests of the command line have it."""

from tests.appliance.cli.conftest import data, swept

__all__ = ["data", "swept"]
