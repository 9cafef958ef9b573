"""Files and folders beside this package. An installation has only a part of them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLAIMS_FILE = ROOT / "appliance" / "model" / "claims.toml"
SCENARIOS = ROOT / "scenarios"
TESTS = ROOT / "tests"
REPORTS = ROOT / "reports" / "out"
#: Cache of tools between runs, removed with the virtual environment.
CACHE = ROOT / ".venv" / "cache"
