"""Entries of an audit trail by their times, so that a question about the last hour does not read the whole trail."""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.create_index(op.f("ix_audit_organization_id_at"), "audit", ["organization_id", "at"])
