"""Files of the example installation, and the programs that they are for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "deploy" / "hubs" / "example"
"""Folder of the example's files."""

# Where Debian's packages put what is not for every user.
_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/lib/frr"


def installed(name: str) -> str:
    """Returns the path of a program; skips the test if the machine has none."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_FOLDERS}")
    if found is None:
        pytest.skip(f"no {name} is installed: deploy/hubs/prove installs it")
    return found
