"""Entries of an audit trail about repairs, so that a look at the last ones does not read the whole trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    is_repair = sa.text("action = 'hub.mended'")
    op.create_index(
        op.f("ix_audit_repairs"),
        "audit",
        ["organization_id", "action", "id"],
        sqlite_where=is_repair,
        postgresql_where=is_repair,
    )
