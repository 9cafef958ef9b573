"""Revisions of the organizations' desired states."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("organizations", sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"))
