"""Revision of a store's schema, found without loading Alembic."""

from __future__ import annotations

import sqlalchemy as sa

from appliance.store.database import Store

NEWEST = "0025"
"""Revision that this version needs: the last one in ``migrations/versions``."""

# Alembic's own table.
_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))


def revision(store: Store) -> str | None:
    """Revision of the schema; None if there is no schema."""
    with store.read() as transaction:
        if not sa.inspect(transaction).has_table(_VERSION.name):
            return None
        return transaction.scalar(sa.select(_VERSION.c.version_num))
