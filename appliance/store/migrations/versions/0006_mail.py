"""Queue of letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "mail",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("organization_id", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("about", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_mail_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
        sa.UniqueConstraint("kind", "about", name=op.f("uq_mail_kind_about")),
    )
    op.create_index(op.f("ix_mail_organization_id"), "mail", ["organization_id"])
    op.create_index(op.f("ix_mail_due_at"), "mail", ["due_at"])
