"""Processes that must not outlive the one that started them."""

from __future__ import annotations

import os
import signal

from appliance import libc

_PR_SET_PDEATHSIG = 1


def hold(parent: int) -> None:
    """From now on this process ends with SIGTERM when its parent does, however that happens (prctl(2)).

    A change of credentials lets go of it, so a process that gives up root holds again afterwards.

    Args:
        parent: process id of the parent, to notice that it is gone already.
    """
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
