"""Offset of the wall clock from the clock of the boot."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.add_column("instance", sa.Column("clock_boot", sa.String(length=36), nullable=True))
    op.add_column("instance", sa.Column("clock_offset", sa.Float(), nullable=True))
