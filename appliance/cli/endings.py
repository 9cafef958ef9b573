"""Requests to end, for a process that has blocked their signals and waits for something else."""

from __future__ import annotations

import signal
import time

ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
"""Signals that ask for the end of a process; all of its threads have them blocked."""


def is_asked_to_end(within_s: float) -> bool:
    """Wait, and then tell whether the process was asked to end; the signal stays pending.

    Not by `signal.sigtimedwait`: after a stop (SIGSTOP and SIGCONT) that outlasts its time-out, it returns a signal
    that nobody sent (CPython 3.11, signal_sigtimedwait_impl).

    Args:
        within_s: seconds to wait.
    """
    time.sleep(within_s)
    return not ENDING.isdisjoint(signal.sigpending())
