"""Rate of Argon2 by itself, which no service that hashes passwords with it can exceed."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher

from harness.world.world import PASSWORD

# OWASP's parameters, as docs/threat-model.md names them.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_HASHES = 40


def rate() -> float:
    """Returns the hashes per second of all processors together; the library releases Python's lock."""
    began = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_HASHER.hash, [PASSWORD] * _HASHES))
    return _HASHES / (time.monotonic() - began)
