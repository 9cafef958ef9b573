"""Environment of programs that enter a sandbox of their own, and reach what is in that of the test."""

from __future__ import annotations

import os

from netlab import sandbox


def outside() -> dict[str, str]:
    """Returns the environment without the mark by which a program knows that it is in a sandbox already."""
    return {name: value for name, value in os.environ.items() if name != sandbox.MARK}
