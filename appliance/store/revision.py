"""Revision of a store's schema, found without loading Alembic."""

from __future__ import annotations

import sqlalchemy as sa

from appliance.store.database import Store

NEWEST = "0038"
"""Revision that this version needs: the last one in ``migrations/versions``."""

VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table."""


def revision(store: Store) -> str | None:
    """Revision of the schema; None if there is no schema."""
    with store.read() as transaction:
        if not sa.inspect(transaction).has_table(VERSION.name):
            return None
        return transaction.scalar(sa.select(VERSION.c.version_num))
