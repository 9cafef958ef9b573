"""Shards of several hubs, with the token of each one's owner."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.create_table(
        "shards",
        sa.Column("id", sa.String(length=3), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shards")),
        sa.UniqueConstraint("address", "port", name=op.f("uq_shards_address_port")),
    )
    op.add_column("organizations", sa.Column("shard", sa.String(length=3), nullable=True))
    op.create_index(op.f("ix_organizations_shard"), "organizations", ["shard"])
