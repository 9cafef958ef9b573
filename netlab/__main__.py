"""Entry point of the folder itself: `python /path/to/netlab -- PROGRAM`, installed or not; see `sandbox.command`."""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a folder, Python puts the package itself first on the path, where its modules would hide others' names.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from netlab.sandbox import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
