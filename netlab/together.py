"""The same piece of work for many hosts at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def together(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Calls `function` with each item, several at a time, and returns the results in order.

    Work with a host is mostly done by other programs (a `wg-quick up` starts two dozen), so threads spread it over the
    processors. What a call raises is raised here, when all that had begun has ended.
    """
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1), "netlab-together") as pool:
        return list(pool.map(function, items))
