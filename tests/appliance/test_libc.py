"""Calls of the C library that change how this process uses memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

BURST = """
import re, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from appliance import libc
from appliance.service import passwords

def used():
    return int(re.search(r"^Pss: +(\\d+) kB$", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE)[1])

if sys.argv[1] == "shared":
    libc.share_heap()
passwords.hasher.hash("one password")
before = used()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(passwords.hasher.hash, [f"password {number}" for number in range(32)]))
libc.malloc_trim()
print(used() - before)
"""
HASH_KB = 19 * 1024


@pytest.mark.long
@pytest.mark.parametrize(("heap", "is_kept"), [("shared", False), ("of each thread", True)])
def test_a_shared_heap_gives_back_what_all_threads_freed(heap: str, is_kept: bool) -> None:
    command = [sys.executable, "-c", BURST, heap]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"MALLOC_ARENA_MAX": "8"})
    assert (int(done.stdout) > HASH_KB) is is_kept, done.stdout
