"""Clocks of the host that nobody can set."""

from __future__ import annotations

import functools
import time
import uuid
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boottime() -> float:
    """Seconds since the boot, those in which the host slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@functools.cache
def boot_id() -> str:
    """Name of the boot that `boottime` counts from.

    Where the host does not tell it to this process, the name is this process's own: what another one kept is not
    comparable then, as after another boot.
    """
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return str(uuid.uuid4())
