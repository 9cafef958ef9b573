"""The sandbox that tests run in, and programs that enter one of their own within it."""

from __future__ import annotations

import os

import pytest

from netlab import sandbox


def need_sandbox() -> None:
    """Fails the test outside of a sandbox, where it would change the machine's network or mounts."""
    if not sandbox.inside():
        pytest.fail(
            "this test runs in a sandbox: use `./meshwg test --only unit`, or `python -m netlab.sandbox -- python -m"
            " pytest` and its file",
            pytrace=False,
        )


def outside() -> dict[str, str]:
    """Returns the environment without the mark by which a program knows that it is in a sandbox already."""
    return {name: value for name, value in os.environ.items() if name != sandbox.MARK}
