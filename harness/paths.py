"""Where things of the checkout are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "scenarios"
TESTS = ROOT / "tests"
REPORTS = ROOT / "reports" / "out"
#: What tools keep between runs; below the virtual environment, so that it goes with it.
CACHE = ROOT / ".venv" / "cache"
