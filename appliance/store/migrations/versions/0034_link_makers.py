"""Maker of each sign-up link, so that an operator's links end with the operator."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.add_column("permits", sa.Column("made_by", sa.Text(), nullable=True))
