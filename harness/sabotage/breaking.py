"""Puts a break into the appliance of this process."""

from __future__ import annotations

import importlib

from harness.sabotage.catalogue import BY_ID


def break_in(sabotage: str) -> None:
    """Puts a break, by its id, into this process and into those that are forked from it."""
    module, _, function = BY_ID[sabotage].function.partition(":")
    getattr(importlib.import_module(f"harness.sabotage.{module}"), function)()
