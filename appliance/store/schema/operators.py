"""Tables of operators: accounts of their own, which belong to no organization."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, LargeBinary, String, Table, Text

from appliance.store.schema.base import metadata


def _belongs_to_operator(*, primary_key: bool = False) -> Column[str]:
    """Make a column with an operator, with whom the row is deleted."""
    return Column(
        "operator_id",
        String(12),
        ForeignKey("operators.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


operators = Table(
    "operators",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    # Null until the operator has chosen a password.
    Column("password_hash", Text, nullable=True),
    Column("created_at", Float, nullable=False),
)

# The link of a new operator, with which they set up password and second factor, once.
operator_links = Table(
    "operator_links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _belongs_to_operator(),
    Column("expires_at", Float, nullable=False),
    Index(None, "operator_id", unique=True),
)

operator_sessions = Table(
    "operator_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _belongs_to_operator(),
    Column("address", Text, nullable=False, server_default=""),
    Column("agent", Text, nullable=False, server_default=""),
    Column("created_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index(None, "operator_id"),
)

operator_factors = Table(
    "operator_factors",
    metadata,
    _belongs_to_operator(primary_key=True),
    # The secret of one-time codes, sealed under the operators' data key.
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    # Null until the operator has given a first code.
    Column("enabled_at", Float, nullable=True),
)

operator_recovery_codes = Table(
    "operator_recovery_codes",
    metadata,
    _belongs_to_operator(primary_key=True),
    Column("code_hash", String(64), primary_key=True),
)
