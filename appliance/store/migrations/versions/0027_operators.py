"""Operators, with sessions and second factors of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.add_column("instance", sa.Column("operators_key", sa.LargeBinary(), nullable=True))
    op.create_table(
        "operators",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("email", name=op.f("uq_operators_email")),
    )
    op.create_table(
        "operator_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("operator_id", sa.String(length=12), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        _of_operator("operator_links"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_operator_links")),
    )
    op.create_index(op.f("ix_operator_links_operator_id"), "operator_links", ["operator_id"], unique=True)
    op.create_table(
        "operator_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("operator_id", sa.String(length=12), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("agent", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("last_seen_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        _of_operator("operator_sessions"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_operator_sessions")),
    )
    op.create_index(op.f("ix_operator_sessions_operator_id"), "operator_sessions", ["operator_id"])
    op.create_table(
        "operator_factors",
        sa.Column("operator_id", sa.String(length=12), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("enabled_at", sa.Float(), nullable=True),
        _of_operator("operator_factors"),
        sa.PrimaryKeyConstraint("operator_id", name=op.f("pk_operator_factors")),
    )
    op.create_table(
        "operator_recovery_codes",
        sa.Column("operator_id", sa.String(length=12), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        _of_operator("operator_recovery_codes"),
        sa.PrimaryKeyConstraint("operator_id", "code_hash", name=op.f("pk_operator_recovery_codes")),
    )


def _of_operator(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["operator_id"], ["operators.id"], name=op.f(f"fk_{table}_operator_id"), ondelete="CASCADE"
    )
