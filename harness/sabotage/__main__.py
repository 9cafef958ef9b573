"""``python -m harness.sabotage ID ARGUMENTS…``: the appliance's command line with one break in it."""

from __future__ import annotations

import gc
import importlib
import sys

from appliance.cli import main
from harness.sabotage.catalogue import BY_ID


def break_in(id: str) -> None:
    """Puts a break into this process, and into those that it starts.

    What it loads stays: looking for garbage in it again and again would be a seventh of the work.
    """
    gc.disable()
    from harness.sabotage import forks

    module, _, function = BY_ID[id].function.partition(":")
    getattr(importlib.import_module(f"harness.sabotage.{module}"), function)()
    forks.instead_of_programs()
    gc.enable()


if __name__ == "__main__":
    break_in(sys.argv.pop(1))
    main()
