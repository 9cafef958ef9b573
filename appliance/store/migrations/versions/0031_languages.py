"""Languages of letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    for table in ("members", "permits"):
        op.add_column(table, sa.Column("language", sa.String(length=35), nullable=True))
