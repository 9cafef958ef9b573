"""A process that many others are forked from, once it has loaded what they need."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

from netlab import kernel

_HUGE = 2 << 20


def settle() -> None:
    """Has forks of this process share its memory, and take less time to begin and to end.

    What is loaded is left out of garbage collections: one in a fork would write to the memory of these objects, and so
    copy it. It lies in huge pages afterwards, where the kernel can move it there (Linux 6.1 or newer): for a fork, the
    kernel copies and later drops an entry for each page, and of these there are 512 times as many otherwise.
    """
    gc.collect()
    gc.freeze()
    for start, end in list(_own_memory()):
        # Some of it may not be movable, and there may be no free huge page. Then it stays where it is.
        with contextlib.suppress(OSError):
            kernel.collapse(start, end - start)


def _own_memory() -> Iterator[tuple[int, int]]:
    """Yields the addresses of private memory that is of no file, from and to borders of huge pages; see proc(5)."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, access, _, _, inode = line.split()[:5]
        if (access, inode) == ("rw-p", "0"):
            start, end = (int(each, 16) for each in addresses.split("-"))
            first, last = -(-start // _HUGE) * _HUGE, end // _HUGE * _HUGE
            if first < last:
                yield first, last
