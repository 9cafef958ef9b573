"""Time of each organization's latest handshake, by which a hub that starts chooses whom it serves first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.add_column("organizations", sa.Column("heard_at", sa.Float(), nullable=True))
