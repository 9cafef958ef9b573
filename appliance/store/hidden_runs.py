"""Runs of the gate that are in the folder of runs, and that the public pages do not show."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, text

from appliance.store.schema import hidden_runs as _table

_ALL = select(_table.c.run)
# Two operators may hide it at once. Both databases know this form, each by a construct of its own in SQLAlchemy.
_HIDE = text("INSERT INTO hidden_runs (run) VALUES (:run) ON CONFLICT DO NOTHING")


def load(transaction: Connection) -> frozenset[str]:
    """Ids of the hidden runs."""
    return frozenset(transaction.execute(_ALL).scalars())


def hide(transaction: Connection, run: str) -> bool:
    """Hide a run; returns False if it was hidden already."""
    return bool(transaction.execute(_HIDE, {"run": run}).rowcount)


def show(transaction: Connection, run: str) -> bool:
    """Show a run; returns False if it was shown already."""
    return bool(transaction.execute(delete(_table).where(_table.c.run == run)).rowcount)
