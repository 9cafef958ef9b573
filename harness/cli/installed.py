"""Modules of this package's commands, and what makes mutants."""

from __future__ import annotations

from types import ModuleType

from reports import installed

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
    return installed.load(f"harness.cli.commands.{command}", *needed)
