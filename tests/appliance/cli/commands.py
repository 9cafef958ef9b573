"""Commands by name, and the texts of their help."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer

from appliance.cli import help
from appliance.cli.main import Commands, make_app


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if not hasattr(command, "list_commands"):
        yield " ".join(path)
        return
    context = command.context_class(command)
    for name in command.list_commands(context):
        yield from _leaves(command.get_command(context, name), (*path, name))


LEAVES = tuple(_leaves(typer.main.get_command(make_app())))
"""Every command that does something: ``up``, ``admin plan``, …"""
GROUPS = ("", "admin", "bench", "transcript")
# Kept here, because a test puts another function in its place.
_GET_COMMAND = Commands.get_command


@cache
def command(name: str) -> Any:
    """Makes a command of the first level once for all tests, which takes long."""
    found: Any = typer.main.get_command(make_app())
    return _GET_COMMAND(found, found.context_class(found), name)


def leaf_of(path: str) -> Any:
    """Returns a command by all of its words, such as ``admin plan``."""
    name, *rest = path.split()
    found = command(name)
    for name in rest:
        found = found.get_command(found.context_class(found), name)
    return found


def parameters_of(path: str) -> list[Any]:
    """Returns the options and arguments of a command, as typer has them."""
    found = leaf_of(path)
    return list(found.get_params(found.context_class(found)))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line to its end, by the name that people call it by."""
    program = "import sys; sys.argv[0] = 'meshwg'; from appliance.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


@cache
def help_of(*command: str, columns: int = 80) -> str:
    """Returns the help of a command on a terminal of the given number of columns."""
    found = help.make_plain(typer.main.get_command(make_app()))
    context = found.context_class(found, info_name="meshwg", terminal_width=columns)
    for name in command:
        found = found.get_command(context, name)
        context = found.context_class(found, info_name=name, parent=context)
    return str(context.get_help())


@cache
def options_of(*command: str) -> frozenset[str] | None:
    """Returns the options of a command or a group, as they are typed; None if there is no such command."""
    found = typer.main.get_command(make_app())
    for name in command:
        if not hasattr(found, "get_command"):
            return None
        found = found.get_command(found.context_class(found), name)
        if found is None:
            return None
    return frozenset(option for each in found.params for option in (*each.opts, *each.secondary_opts)) | {"--help"}
