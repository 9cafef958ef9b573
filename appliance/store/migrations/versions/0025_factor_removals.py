"""Pending removals of lost second factors, and letters with a subject and a recipient."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_table(
        "factor_removals",
        sa.Column("member_id", sa.String(length=12), nullable=False),
        sa.Column("begun_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_factor_removals_member_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_factor_removals")),
    )
    op.create_index(op.f("ix_factor_removals_due_at"), "factor_removals", ["due_at"])
    with op.batch_alter_table("mail") as mail:
        mail.alter_column(
            "about", existing_type=sa.String(length=12), existing_nullable=False, type_=sa.String(length=32)
        )
