"""Memory of a process that others are forked from."""

from __future__ import annotations

import ctypes
import errno
import mmap
import subprocess
import sys
from collections.abc import Iterator

import pytest

from netlab import kernel

# Prints the number of objects that garbage collections leave out, and the kB that lie in huge pages, before and after.
_PROGRAM = """
import gc
from pathlib import Path
from netlab import forkable

def look():
    sizes = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    print(gc.get_freeze_count(), sizes["AnonHugePages"].split()[0])

kept = [str(number) for number in range(500_000)]
look()
forkable.settle()
look()
assert kept == [str(number) for number in range(500_000)]
"""


@pytest.fixture
def area() -> Iterator[mmap.mmap]:
    """Memory with a whole huge page in it."""
    with mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as made:
        made.write(b"x" * len(made))
        yield made


def _has_huge_pages(area: mmap.mmap) -> bool:
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    try:
        kernel.collapse(-(-address // (2 << 20)) * (2 << 20), 2 << 20)
    except OSError as error:
        return error.errno != errno.EINVAL
    return True


def test_what_is_loaded_lies_in_huge_pages(area: mmap.mmap) -> None:
    if not _has_huge_pages(area):
        pytest.skip("this kernel moves no memory into huge pages")
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    (frozen, small), (frozen_after, huge) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert frozen == 0
    assert frozen_after > 0
    # Of 32 MB in pieces that begin anywhere, 16 to 24 lie between the borders of huge pages.
    assert huge - small > 8 << 10
