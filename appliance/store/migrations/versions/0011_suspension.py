"""Suspension of organizations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("organizations", sa.Column("suspended_at", sa.Float(), nullable=True))
