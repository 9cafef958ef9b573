"""``python -m harness.sabotage ID ARGUMENTS…``: the appliance's command line with one break in it."""

from __future__ import annotations

import gc
import sys

if __name__ == "__main__":
    # What is loaded stays: looking for garbage in it again and again would be a seventh of the work.
    gc.disable()
    from harness.sabotage import forks

    gc.enable()
    forks.command_line(sys.argv[1], sys.argv[2:])
