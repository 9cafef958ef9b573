"""Random ids of audit entries, in place of numbers that counted the entries of all organizations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

# The database makes the sixteen random characters, because there may be millions of entries.
_RANDOM = {
    "sqlite": "lower(hex(randomblob(8)))",
    "postgresql": "right(replace(gen_random_uuid()::text, '-', ''), 16)",
}


def upgrade() -> None:
    op.add_column("audit", sa.Column("name", sa.String(length=16), nullable=False, server_default=""))
    op.execute(f"UPDATE audit SET name = {_RANDOM[op.get_context().dialect.name]}")  # noqa: S608 - no input
    op.create_index(op.f("ix_audit_organization_id_name"), "audit", ["organization_id", "name"], unique=True)
