"""Commands for the person who runs the hub: what there is, how it is, backup, and a new unlock secret."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds the operator's commands."""
