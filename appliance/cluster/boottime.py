"""Clock of leases."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds since the host's boot. Nobody sets this clock, and it goes on while the host is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
