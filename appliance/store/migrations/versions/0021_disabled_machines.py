"""Disabled machines, and several lifetimes of a machine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("machines", sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()))
    is_disabled = sa.text("NOT enabled")
    op.create_index(
        op.f("ix_machines_disabled"),
        "machines",
        ["organization_id"],
        sqlite_where=is_disabled,
        postgresql_where=is_disabled,
    )
    with op.batch_alter_table("lifetimes") as lifetimes:
        lifetimes.drop_constraint(op.f("pk_lifetimes"), type_="primary")
        lifetimes.create_primary_key(op.f("pk_lifetimes"), ["organization_id", "machine_id", "since"])
