"""Console of the commands."""

from __future__ import annotations

import sys

from rich.console import Console

# A file or a pipe has no width, so the tables get one that fits.
CONSOLE = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
