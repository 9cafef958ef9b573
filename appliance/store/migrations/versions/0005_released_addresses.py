"""Recently released addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "released_addresses",
        sa.Column("organization_id", sa.String(length=10), nullable=False),
        sa.Column("address", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_released_addresses_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "address", name=op.f("pk_released_addresses")),
    )
