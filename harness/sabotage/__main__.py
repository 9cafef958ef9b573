"""``python -m harness.sabotage ID[+ID…] ARGUMENTS…``: the appliance's command line with sabotages in it."""

from __future__ import annotations

import gc
import sys

if __name__ == "__main__":
    # Imported modules are no garbage; collections during the imports would take a seventh of their time.
    gc.disable()
    from harness.sabotage import catalogue, forks

    gc.enable()
    sabotages = sys.argv[1].split("+")
    try:
        for each in sabotages:
            catalogue.check(each)
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(64)
    forks.command_line(sabotages, sys.argv[2:])
