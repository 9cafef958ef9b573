"""Puts the command line together. A command's module is loaded when the command is asked for, and not before."""

from __future__ import annotations

import sys
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from appliance import __version__
from appliance.cli.errors import CommandError

GROUP = "meshwg.commands"
"""Entry points of this group are commands of other packages: functions or `typer.Typer`, by the command's name."""

_OWN = {
    "up": "appliance.cli.up:up",
    "status": "appliance.cli.status:status",
    "doctor": "appliance.cli.doctor:doctor",
    "admin": "appliance.cli.admin:admin",
    "census": "appliance.cli.census:census",
    "deletions": "appliance.cli.deletions:deletions",
    "backup": "appliance.cli.backup:backup",
    "restore": "appliance.cli.backup:restore",
    "rotate-unlock-secret": "appliance.cli.rotation:rotate_unlock_secret",
    "publish": "appliance.cli.publish:publish",
    "operations": "appliance.cli.operations:operations",
}
_PROCESSES = {"hub": "appliance.cli.hub:hub", "web": "appliance.cli.web:web"}
"""For `up` to start, not for people."""


class Commands(TyperGroup):
    """The commands by name. Source: "Lazily Loading Subcommands" in click's documentation.

    Contexts and commands are of whichever click typer brings, and have no name here.
    """

    @cached_property
    def _entries(self) -> dict[str, EntryPoint]:
        own = [EntryPoint(name, value, GROUP) for name, value in (_OWN | _PROCESSES).items()]
        return {entry.name: entry for entry in (*own, *sorted(entry_points(group=GROUP), key=lambda each: each.name))}

    def list_commands(self, ctx: Any) -> list[str]:
        """What the help lists."""
        del ctx
        return [name for name in self._entries if name not in _PROCESSES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Loads a command; None if there is none of that name."""
        del ctx
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        found = entry.load()
        if not isinstance(found, typer.Typer):
            app = typer.Typer(add_completion=False, rich_markup_mode="rich")
            app.command(cmd_name)(found)
            found = app
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


def make_app() -> typer.Typer:
    """The command line with everything that is installed."""
    app = typer.Typer(
        name="meshwg",
        cls=Commands,
        help="A multi-tenant WireGuard hub, and the harness that proves what it claims.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    return app


def main() -> None:
    """Runs the command that was asked for; what it refuses is one sentence and an exit code."""
    try:
        make_app()()
    except CommandError as error:
        print(f"meshwg: {error}", file=sys.stderr)
        sys.exit(error.code)


def _root(
    version: bool = typer.Option(
        False, "--version", help="Tell the version.", is_eager=True, callback=lambda v: _version(v)
    ),
) -> None:
    del version


def _version(wanted: bool) -> None:
    if wanted:
        print(f"meshwg {__version__}")
        raise typer.Exit
