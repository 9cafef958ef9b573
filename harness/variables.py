"""Environment variables that tests and scenarios are run with."""

from __future__ import annotations

import os

from harness.paths import CACHE

# Options in a variable of pytest's could leave tests out, and Python's its assertions.
_LEAVING_OUT = ("PYTEST_", "PYTHONOPTIMIZE")


def of_tests(*dropped: str) -> dict[str, str]:
    """Returns this process's variables, without those that could leave out a test or an assertion.

    Args:
        dropped: how the names of others begin that are left out.
    """
    prefixes = (*_LEAVING_OUT, *dropped)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
    return {**kept, "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis")}
