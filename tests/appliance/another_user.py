"""Another user than the tests' own, within their process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Makes sockets and connections this user's in a block, in all threads."""
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)
