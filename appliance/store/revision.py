"""Which revision of the schema a store has, asked without loading what changes it."""

from __future__ import annotations

import sqlalchemy as sa

from appliance.store.database import Store

NEWEST = "0025"
"""The revision that this version works with, the last in ``migrations/versions``."""

# Alembic's own.
_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))


def revision(store: Store) -> str | None:
    """The schema's revision; None where there is no schema."""
    with store.read() as transaction:
        if not sa.inspect(transaction).has_table(_VERSION.name):
            return None
        return transaction.scalar(sa.select(_VERSION.c.version_num))
