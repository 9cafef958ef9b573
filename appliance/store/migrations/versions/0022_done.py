"""Requests that are done, and requests by forms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    with op.batch_alter_table("repeats") as repeats:
        # The outcome of interrupted requests is unknown, so they are not done again.
        repeats.add_column(sa.Column("done", sa.Boolean(), nullable=False, server_default=sa.true()))
        repeats.add_column(sa.Column("member_id", sa.String(length=12), nullable=True))
        repeats.create_foreign_key(op.f("fk_repeats_member_id"), "members", ["member_id"], ["id"], ondelete="CASCADE")
    with op.batch_alter_table("repeats") as repeats:
        repeats.alter_column("done", existing_type=sa.Boolean(), server_default=None)
    op.create_index(op.f("ix_repeats_member_id"), "repeats", ["member_id"])
