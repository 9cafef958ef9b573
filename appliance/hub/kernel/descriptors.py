"""Numbers of open files. libnftables waits with select(2), which takes none from 1024 on and aborts the process."""

from __future__ import annotations

import fcntl
import os

FIRST_HIGH = 1024
"""FD_SETSIZE of the C library."""


def moved_high(descriptor: int) -> int:
    """The same open file under a number that libnftables has no use for; the given one is closed.

    What is kept open for each organization takes these, so that the low ones are left for libnftables' sockets.
    """
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_HIGH)
    except OSError:
        # A host that lets us have no more than that: there are not as many organizations either.
        return descriptor
    os.close(descriptor)
    return high
