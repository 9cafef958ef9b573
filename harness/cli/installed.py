"""Modules that commands need and that may not be installed."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType
from typing import NoReturn

from reports.ending import UNAVAILABLE, end

MUTATION = ("mutmut", "libcst", "coverage")
"""Modules that make mutants of the product, and judge them."""


def body_of(command: str, *needed: str) -> ModuleType:
    """Imports the module of a command's body.

    Args:
        command: name of the module.
        needed: further modules that the command needs, which are only looked for.

    Raises:
        Exit: one is missing, which was said.
    """
    try:
        body = importlib.import_module(f"harness.cli.commands.{command}")
    except ModuleNotFoundError as error:
        _lack(error.name)
    require(*needed)
    return body


def require(*modules: str) -> None:
    """Checks that modules can be imported, and imports none: locust changes the process that imports it.

    Raises:
        Exit: one is missing, which was said.
    """
    for name in modules:
        if find_spec(name) is None:
            _lack(name)


def _lack(module: str | None) -> NoReturn:
    ways = "./meshwg setup in a clone, or the package's extra 'harness'"
    end(f"This command needs {module}, which comes with the harness: {ways}.", UNAVAILABLE)
