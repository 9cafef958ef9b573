"""Pages bounded in bytes, computed from the rows' sizes alone."""

from __future__ import annotations

from sqlalchemy import Connection, Select


def fitting(transaction: Connection, sizes: Select[tuple[int]], most_bytes: int) -> int:
    """Number of rows at the start of a page that fit into ``most_bytes``; at least one.

    Args:
        sizes: bytes of each row, in the order of the page.
    """
    total = count = 0
    for (size,) in transaction.execute(sizes):
        total += size
        if total > most_bytes:
            break
        count += 1
    return max(1, count)
