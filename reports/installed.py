"""Modules that commands need and that may not be installed."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType
from typing import NoReturn

from reports.ending import UNAVAILABLE, end


def load(module: str, *needed: str) -> ModuleType:
    """Imports the module of a command's body.

    Args:
        module: its full name.
        needed: further modules that the command needs, which are only looked for.

    Raises:
        Exit: one is missing, which was said.
    """
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        _lack(error.name)
    require(*needed)
    return loaded


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
