"""Tables of people: members, their credentials, invitations and permits."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from appliance.store.schema.base import belongs_to_member, belongs_to_organization, metadata

members = Table(
    "members",
    metadata,
    Column("id", String(12), primary_key=True),
    belongs_to_organization(),
    Column("email", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(8), nullable=False),
    # Null until the e-mail address is verified.
    Column("verified_at", Float, nullable=True),
    # Tag of the language that letters are written in; null for English.
    Column("language", String(35), nullable=True),
    Column("created_at", Float, nullable=False),
    Index(None, "organization_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    belongs_to_member(),
    # Origin of the session; empty if unknown.
    Column("address", Text, nullable=False, server_default=""),
    Column("agent", Text, nullable=False, server_default=""),
    Column("created_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index(None, "member_id"),
)

# The holder of a ticket's token may do one thing as the member, once.
tickets = Table(
    "tickets",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    belongs_to_member(),
    Column("kind", String(12), nullable=False),
    Column("expires_at", Float, nullable=False),
    Index(None, "member_id"),
)

second_factors = Table(
    "second_factors",
    metadata,
    Column("member_id", String(12), ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    # The secret of one-time codes, sealed under the organization's data key.
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    # Null until the member has given a first code.
    Column("enabled_at", Float, nullable=True),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("member_id", String(12), ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
)

# Pending removals of lost second factors and passkeys, begun by the operator.
factor_removals = Table(
    "factor_removals",
    metadata,
    Column("member_id", String(12), ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    Column("begun_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Index(None, "due_at"),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", String(12), primary_key=True),
    belongs_to_member(),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=True),
    Index(None, "member_id"),
)

# Random challenges for passkeys, which expire within minutes and belong to no account.
challenges = Table(
    "challenges",
    metadata,
    Column("challenge_hash", String(64), primary_key=True),
    Column("holder_hash", String(64), nullable=False),
    Column("expires_at", Float, nullable=False),
)

# Requested password resets, also for addresses without an account; removed within seconds.
reset_requests = Table(
    "reset_requests",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("email", Text, nullable=False),
    Column("at", Float, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", String(12), primary_key=True),
    belongs_to_organization(),
    Column("email", Text, nullable=False),
    Column("role", String(8), nullable=False),
    Column("invited_by", Text, nullable=False),
    # E-mail address of an operator on the pages, whom the organization is not told; null for anybody else.
    Column("operator", Text, nullable=True),
    # Null until the letter with the link is sent.
    Column("token_hash", String(64), nullable=True, unique=True),
    # True if the link is only in a letter to the address.
    Column("by_letter", Boolean, nullable=False, server_default=false()),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    UniqueConstraint("organization_id", "email"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("member_id", String(12), ForeignKey("members.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("scope", String(8), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=True),
    UniqueConstraint("member_id", "name"),
)

# Permits to sign up, by a link that works once.
permits = Table(
    "permits",
    metadata,
    Column("id", String(12), primary_key=True),
    # Address that the account has to have; null for any.
    Column("email", Text, nullable=True),
    # True if the link is only in a letter to that address.
    Column("by_letter", Boolean, nullable=False),
    # Tag of the language that the letter is written in; null for English.
    Column("language", String(35), nullable=True),
    # Null until the letter with the link is sent.
    Column("token_hash", String(64), nullable=True, unique=True),
    # E-mail address of the operator who made the link on the pages, or user of the host; null if a letter brings it.
    Column("made_by", Text, nullable=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)
