"""Permits to sign up, and letters that belong to no organization."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "permits",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("by_letter", sa.Boolean(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permits")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_permits_token_hash")),
    )
    with op.batch_alter_table("mail") as mail:
        mail.alter_column("organization_id", existing_type=sa.String(length=10), nullable=True)
