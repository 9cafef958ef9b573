"""Removal of many rows in portions: SQLite has one writer at a time, so that everybody waits for a long transaction."""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, Connection, Table, delete, select, tuple_

PORTION = 500
"""Most rows that a transaction removes, where an organization can have any number of them."""

_PAUSE_S = 0.005


def pause() -> None:
    """Let others have their turns between two portions: SQLite's waiting writers only look now and then."""
    time.sleep(_PAUSE_S)


def remove(transaction: Connection, table: Table, condition: ColumnElement[bool], most: int | None) -> int:
    """Remove rows that meet a condition; returns their number.

    Args:
        most: most rows to remove; None removes all.
    """
    key = table.primary_key.columns.values()
    some = select(*key).where(condition).limit(most)
    return transaction.execute(delete(table).where(tuple_(*key).in_(some))).rowcount
