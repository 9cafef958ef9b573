"""Last endpoints of machines, and the instance's public port."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("machines", sa.Column("endpoint", sa.Text(), nullable=True))
    op.add_column("instance", sa.Column("port", sa.Integer(), nullable=True))
    # Organizations had public ports from 51820 up. Now their ports are behind the front door, from 20000 up.
    op.execute("UPDATE organizations SET port = port - 31820")
