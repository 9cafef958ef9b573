"""Files and folders beside this package. An installation has only a part of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLAIMS_FILE = ROOT / "appliance" / "model" / "claims.toml"
SCENARIOS = ROOT / "scenarios"
TESTS = ROOT / "tests"
REPORTS = ROOT / "reports" / "out"
CACHE = ROOT / ".venv" / "cache"
"""Cache of tools between runs, removed with the virtual environment."""


def version_of(files: Iterable[Path]) -> str:
    """Returns a digest of files of the repository, by which outcomes with other code are told apart."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
