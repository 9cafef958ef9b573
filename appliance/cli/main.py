"""Puts the command line together."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer

from appliance import __version__
from appliance.cli import doctor, operator, service
from appliance.cli.errors import CommandError

COMMANDS = "meshwg.commands"
"""Entry points of this group are functions that take the `typer.Typer` and add commands to it."""


def make_app() -> typer.Typer:
    """The command line with everything that is installed."""
    app = typer.Typer(
        name="meshwg",
        help="A multi-tenant WireGuard hub, and the harness that proves what it claims.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    app.command()(service.up)
    app.command()(doctor.doctor)
    app.command(hidden=True)(service.hub)
    app.command(hidden=True)(service.web)
    operator.register(app)
    for entry in sorted(entry_points(group=COMMANDS), key=lambda each: each.name):
        entry.load()(app)
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
