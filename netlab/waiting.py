"""Waits with a deadline, for conditions that nobody reports."""

from __future__ import annotations

import time
from collections.abc import Callable

# Looks can be expensive: the longer a wait has taken, the less a moment more matters.
_SHARE = 1 / 20


def wait_until(condition: Callable[[], object], timeout_s: float, pause_s: float = 0.005) -> bool:
    """Waits until a condition holds.

    Args:
        condition: function whose result is true once the condition holds; called at least once.
        timeout_s: seconds to wait.
        pause_s: seconds between two calls at first; later a twentieth of the time waited.

    Returns:
        True once the condition holds, False if it does not within the time.
    """
    start = time.monotonic()
    while not condition():
        if (waited := time.monotonic() - start) > timeout_s:
            return False
        time.sleep(max(pause_s, waited * _SHARE))
    return True
