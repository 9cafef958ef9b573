"""Clocks of the host that nobody can set."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boottime() -> float:
    """Seconds since the boot, those in which the host slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Name of the boot that `boottime` counts from; empty where the host does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
