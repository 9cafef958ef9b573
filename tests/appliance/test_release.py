"""The version is read when it is asked for, and not at every start."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

from appliance import release


def test_the_version_is_that_of_the_installed_package() -> None:
    assert release.version() == version("meshwg")


def test_the_command_line_loads_without_packages_metadata() -> None:
    """Loading it takes as long as the start of a bare Python."""
    code = "import sys; import appliance.cli; print('importlib.metadata' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "False"
