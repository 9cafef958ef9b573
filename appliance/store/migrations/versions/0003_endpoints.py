"""where each machine was heard from last, and the public port of the instance"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("machines", sa.Column("endpoint", sa.Text(), nullable=True))
    op.add_column("instance", sa.Column("port", sa.Integer(), nullable=True))
    # What was a port of an organization's own from 51820 up is one behind the front door now, from 20000 up.
    op.execute("UPDATE organizations SET port = port - 31820")
