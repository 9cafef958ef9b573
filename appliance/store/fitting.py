"""How many rows fit into a page that is bounded in bytes, found without reading the rows."""

from __future__ import annotations

from sqlalchemy import Connection, Select


def fitting(transaction: Connection, sizes: Select[tuple[int]], most_bytes: int) -> int:
    """How many of the first rows take so many bytes together; at least one.

    Args:
        sizes: the bytes of each row, in the order of the page.
    """
    total = count = 0
    for (size,) in transaction.execute(sizes):
        total += size
        if total > most_bytes:
            break
        count += 1
    return max(1, count)
