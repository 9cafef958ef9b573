"""Packets that policies decided about, by hour and by day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.create_table(
        "decided_packets",
        sa.Column("organization_id", sa.String(length=10), nullable=False),
        sa.Column("hours", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("packets", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_decided_packets_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "hours", "start", name=op.f("pk_decided_packets")),
    )
    op.create_index(op.f("ix_decided_packets_hours_start"), "decided_packets", ["hours", "start"])
