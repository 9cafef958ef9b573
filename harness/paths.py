"""Files and folders beside this package: in a checkout all of them, and what is installed with it elsewhere."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLAIMS_FILE = ROOT / "appliance" / "model" / "claims.toml"
SCENARIOS = ROOT / "scenarios"
TESTS = ROOT / "tests"
REPORTS = ROOT / "reports" / "out"
#: What tools keep between runs; below the virtual environment, so that it goes with it.
CACHE = ROOT / ".venv" / "cache"
