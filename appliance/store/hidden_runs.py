"""Runs of the gate that are in the folder of runs, and that the public pages do not show."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from appliance.store.schema import hidden_runs as _table

_ALL = select(_table.c.run)


def load(transaction: Connection) -> frozenset[str]:
    """Ids of the hidden runs."""
    return frozenset(transaction.execute(_ALL).scalars())


def hide(transaction: Connection, run: str) -> bool:
    """Hide a run; returns False if it was hidden already."""
    if run in load(transaction):
        return False
    transaction.execute(insert(_table).values(run=run))
    return True


def show(transaction: Connection, run: str) -> bool:
    """Show a run; returns False if it was shown already."""
    return bool(transaction.execute(delete(_table).where(_table.c.run == run)).rowcount)
