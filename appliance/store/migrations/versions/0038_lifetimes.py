"""Lifetimes of machines by their times, so that a month's statement does not read those of all months."""

from __future__ import annotations

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    name = op.f("ix_lifetimes_organization_id_until_since")
    op.create_index(name, "lifetimes", ["organization_id", "until", "since"])
