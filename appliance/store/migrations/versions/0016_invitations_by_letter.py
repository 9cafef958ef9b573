"""Invitations whose link is only in a letter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("invitations", sa.Column("by_letter", sa.Boolean(), nullable=False, server_default=sa.false()))
