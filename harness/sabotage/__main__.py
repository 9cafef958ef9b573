"""``python -m harness.sabotage ID ARGUMENTS…``: the appliance's command line with one break in it."""

from __future__ import annotations

import importlib
import sys

from appliance.cli import main
from harness.sabotage import forks
from harness.sabotage.catalogue import BY_ID

sabotage = BY_ID[sys.argv.pop(1)]
module, _, function = sabotage.function.partition(":")
getattr(importlib.import_module(f"harness.sabotage.{module}"), function)()
# The processes that it starts are broken in the same way.
forks.instead_of_programs()
main()
