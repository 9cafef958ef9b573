"""Commands for the person who runs the hub: what there is, how it is, backup, and a new unlock secret."""

from __future__ import annotations

import typer

from appliance.cli.backup import backup, restore
from appliance.cli.census import census
from appliance.cli.rotation import rotate_unlock_secret
from appliance.cli.status import status


def register(app: typer.Typer) -> None:
    """Adds the operator's commands."""
    for command in (status, census, backup, restore, rotate_unlock_secret):
        app.command()(command)
