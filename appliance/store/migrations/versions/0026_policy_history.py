"""History of policies; it begins with the first save after this."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.add_column("organizations", sa.Column("history_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "policy_history",
        sa.Column("organization_id", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("back", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_policy_history_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "version", name=op.f("pk_policy_history")),
    )
    op.create_index(op.f("ix_policy_history_at"), "policy_history", ["at"])
