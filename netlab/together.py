"""Parallel work with many hosts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def together(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Calls a function with each of several items, some at a time, in threads.

    Work with a host is mostly done by other programs (a `wg-quick up` starts two dozen), so threads spread it over the
    processors. If calls raise, the first exception is raised here once all calls that had begun have ended.

    Args:
        function: the function.
        items: its arguments, one for each call.

    Returns:
        Results in the order of the items.
    """
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1), "netlab-together") as pool:
        return list(pool.map(function, items))
