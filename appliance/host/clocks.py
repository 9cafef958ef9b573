"""Clock of the host's boot, which can't be set."""

from __future__ import annotations

import functools
import time
import uuid
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boottime() -> float:
    """Seconds since the boot, including suspends."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@functools.cache
def boot_id(file: Path = _BOOT_ID) -> str:
    """Id of the boot that `boottime` counts from.

    If this process can't read the host's id, it gets a random one, so that stored values of `boottime` are treated like
    those of another boot.

    Args:
        file: the kernel's file with the id.
    """
    try:
        return file.read_text().strip()
    except OSError:
        return str(uuid.uuid4())
