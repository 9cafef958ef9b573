"""Pages bounded in bytes, computed from the rows' sizes alone."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Select


def fitting(transaction: Connection, sizes: Select[tuple[int]], most_bytes: int) -> int:
    """Number of rows at the start of a page that fit into ``most_bytes``; at least one.

    Args:
        sizes: bytes of each row, in the order of the page.
    """
    return count_fitting((size for (size,) in transaction.execute(sizes)), most_bytes)


def count_fitting(sizes: Iterable[int], most_bytes: int) -> int:
    """Number of sizes at the start that come to ``most_bytes`` at most; at least one."""
    total = count = 0
    for size in sizes:
        total += size
        if total > most_bytes:
            break
        count += 1
    return max(1, count)
