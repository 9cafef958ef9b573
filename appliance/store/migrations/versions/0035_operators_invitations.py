"""Operator who made an invitation on the pages, so that it ends with the operator."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.add_column("invitations", sa.Column("operator", sa.Text(), nullable=True))
