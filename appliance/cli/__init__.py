"""Command line: the appliance's own commands, and those that other packages add."""

from appliance.cli.main import main

__all__ = ["main"]
