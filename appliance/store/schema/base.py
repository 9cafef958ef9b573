"""Metadata and common columns of the tables."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    MetaData,
    String,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def belongs_to_organization(*, nullable: bool = False) -> Column[str]:
    """Make a column with an organization, with which the row is deleted."""
    return Column("organization_id", String(10), ForeignKey("organizations.id", ondelete="CASCADE"), nullable=nullable)


def belongs_to_member() -> Column[str]:
    """Make a column with a member, with whom the row is deleted."""
    return Column("member_id", String(12), ForeignKey("members.id", ondelete="CASCADE"), nullable=False)
