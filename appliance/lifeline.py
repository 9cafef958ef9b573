"""Processes that must not outlive their parent."""

from __future__ import annotations

import os
import signal

from appliance import libc

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM to this process when its parent ends (prctl(2)).

    A change of credentials cancels this, so a process that gives up root has to call it again.

    Args:
        parent: process id of the parent, to notice that it has ended already.
    """
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
