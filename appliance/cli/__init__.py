"""The command line: the appliance's own commands, and those that other packages add to it."""

from appliance.cli.main import main

__all__ = ["main"]
