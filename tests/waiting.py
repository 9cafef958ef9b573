"""Waits of the tests.

A wait ends as soon as what it is for has come about. Its bound ends only what hangs, and is so far off that no test
fails because a machine is slow or has other work.
"""

from __future__ import annotations

from collections.abc import Callable

import netlab

DEADLINE = 60.0
"""Seconds after which nothing is expected to come any more."""


def wait_until(condition: Callable[[], bool], otherwise: Callable[[], object] = lambda: "") -> None:
    """Returns once the condition holds, and fails after `DEADLINE`.

    Args:
        condition: is asked every few milliseconds, more seldom later (`netlab.wait_until`).
        otherwise: tells what there was instead.
    """
    assert netlab.wait_until(condition, DEADLINE), f"not within {DEADLINE:g} s: {otherwise()}"
