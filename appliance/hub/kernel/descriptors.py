"""Descriptor numbers. libnftables waits with select(2), which aborts the process for descriptors from 1024 on."""

from __future__ import annotations

import fcntl
import os

FIRST_HIGH = 1024
"""FD_SETSIZE of the C library."""


def moved_high(descriptor: int) -> int:
    """Duplicate a descriptor to a number of at least 1024, and close the given one.

    Files that stay open for each organization take high numbers, so that low ones are left for libnftables' sockets.
    """
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_HIGH)
    except OSError:
        # The limit of open files is below that: then there are not as many organizations either.
        return descriptor
    os.close(descriptor)
    return high
