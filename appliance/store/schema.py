"""The tables. Uniqueness is the database's to hold, never a check in code."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _belongs_to_organization(*, nullable: bool = False) -> Column[str]:
    return Column("organization_id", String(10), ForeignKey("organizations.id", ondelete="CASCADE"), nullable=nullable)


def _belongs_to_member() -> Column[str]:
    return Column("member_id", String(12), ForeignKey("members.id", ondelete="CASCADE"), nullable=False)


instance = Table(
    "instance",
    metadata,
    Column("id", String(3), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("cost", Integer, nullable=False),
    Column("block_size", Integer, nullable=False),
    Column("parallelism", Integer, nullable=False),
    Column("proof", LargeBinary, nullable=False),
    # The public UDP port that configurations name; null until the first start has found one.
    Column("port", Integer, nullable=True),
    # How the wall clock stood against one that can't be set, and in which boot of the host (`setbacks`); null at first.
    Column("clock_boot", String(36), nullable=True),
    Column("clock_offset", Float, nullable=True),
)

organizations = Table(
    "organizations",
    metadata,
    Column("id", String(10), primary_key=True),
    Column("name", Text, nullable=False),
    Column("network", String(18), nullable=False),
    Column("port", Integer, nullable=False, unique=True),
    Column("hub_public_key", String(44), nullable=False, unique=True),
    Column("sealed_data_key", LargeBinary, nullable=False),
    Column("sealed_private_key", LargeBinary, nullable=False),
    Column("plan", String(8), nullable=False),
    Column("policy_default", String(8), nullable=False),
    Column("policy_version", Integer, nullable=False),
    # What its rules take, about (`policies.growth`).
    Column("policy_bytes", Integer, nullable=False, server_default="0"),
    # Random, and another one with each change of what the data plane should have (`Desired`).
    Column("revision", BigInteger, nullable=False, server_default="0"),
    # False while the data plane is being made: nobody was told yet that the organization exists.
    Column("active", Boolean, nullable=False),
    # Since when the operator has it suspended: it is stored and not enforced. Null: it is not.
    Column("suspended_at", Float, nullable=True),
    # Set when its deletion has begun: it is not active any more, and its keys are destroyed.
    Column("deleting_since", Float, nullable=True),
    Column("created_at", Float, nullable=False),
    # In minutes since the epoch: its first metered change, and the minutes around its last one (`meters`).
    Column("meter_from", Integer, nullable=False, server_default="0"),
    Column("meter_at", Integer, nullable=False, server_default="0"),
    Column("meter_end", Integer, nullable=False, server_default="0"),
    # What is kept of its audit trail, and what was written to it on the last day that anything was (`trails`).
    Column("trail_entries", Integer, nullable=False, server_default="0"),
    Column("trail_bytes", BigInteger, nullable=False, server_default="0"),
    Column("trail_day", Integer, nullable=False, server_default="0"),
    Column("trail_day_bytes", BigInteger, nullable=False, server_default="0"),
    # The moment of the oldest entry that is kept; null where there is none.
    Column("trail_oldest_at", Float, nullable=True),
    Index(None, "trail_oldest_at"),
)

members = Table(
    "members",
    metadata,
    Column("id", String(12), primary_key=True),
    _belongs_to_organization(),
    Column("email", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(8), nullable=False),
    # Null until somebody shows that the e-mail address is theirs.
    Column("verified_at", Float, nullable=True),
    Column("created_at", Float, nullable=False),
    Index(None, "organization_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _belongs_to_member(),
    # What it was opened from; empty where that is not known.
    Column("address", Text, nullable=False, server_default=""),
    Column("agent", Text, nullable=False, server_default=""),
    Column("created_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index(None, "member_id"),
)

# What links stand for: whoever holds the token may do one thing as this member, once.
tickets = Table(
    "tickets",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _belongs_to_member(),
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
    # Null until its owner has shown a code of it.
    Column("enabled_at", Float, nullable=True),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("member_id", String(12), ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
)

# Second factors and passkeys that somebody has lost, and that the operator has begun to remove.
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
    _belongs_to_member(),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=True),
    Index(None, "member_id"),
)

# What passkeys are asked to sign: random, nobody's, and gone some minutes later.
challenges = Table(
    "challenges",
    metadata,
    Column("challenge_hash", String(64), primary_key=True),
    Column("holder_hash", String(64), nullable=False),
    Column("expires_at", Float, nullable=False),
)

# Addresses that somebody gave, whether anybody has them or not: gone some seconds later.
reset_requests = Table(
    "reset_requests",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("email", Text, nullable=False),
    Column("at", Float, nullable=False),
)

machines = Table(
    "machines",
    metadata,
    Column("id", String(12), primary_key=True),
    _belongs_to_organization(),
    Column("name", Text, nullable=False),
    # What the file of its configuration is called by, without the ending; in lower case.
    Column("interface", String(15), nullable=False, server_default=""),
    # As a number, so that the database can sort and compare it; signed 32 bits would not hold every address.
    Column("address", BigInteger, nullable=False),
    Column("public_key", String(44), nullable=False),
    Column("groups", JSON, nullable=False),
    # False while it is kept and the data plane has nothing of it.
    Column("enabled", Boolean, nullable=False, server_default=true()),
    Column("created_at", Float, nullable=False),
    # Where the hub heard from it last, "address:port"; null until its first handshake.
    Column("endpoint", Text, nullable=True),
    UniqueConstraint("organization_id", "name"),
    UniqueConstraint("organization_id", "address"),
    UniqueConstraint("organization_id", "public_key"),
    Index(None, "organization_id", "interface", unique=True),
)
# Read with every new machine, and mostly empty.
Index(
    "ix_machines_disabled",
    machines.c.organization_id,
    sqlite_where=~machines.c.enabled,
    postgresql_where=~machines.c.enabled,
)

# Nobody gets these again before their quiet time is over.
released_addresses = Table(
    "released_addresses",
    metadata,
    Column("organization_id", String(10), ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    Column("address", BigInteger, primary_key=True, autoincrement=False),
    Column("released_at", Float, nullable=False),
)

rules = Table(
    "rules",
    metadata,
    Column("id", String(12), primary_key=True),
    _belongs_to_organization(),
    Column("position", Integer, nullable=False),
    Column("action", String(8), nullable=False),
    Column("source", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("protocol", String(8), nullable=False),
    Column("ports", Text, nullable=False),
    Column("description", Text, nullable=False),
    Index(None, "organization_id", "position"),
)

audit = Table(
    "audit",
    metadata,
    # The order of entries. It counts those of all organizations, so nobody outside is told of it.
    Column("id", Integer, primary_key=True, autoincrement=True),
    # Names the entry to its organization; random.
    Column("name", String(16), nullable=False, server_default=""),
    _belongs_to_organization(),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("detail", JSON, nullable=False),
    # Bytes that the entry takes, about.
    Column("size", Integer, nullable=False, server_default="0"),
    Index(None, "organization_id", "id"),
    Index(None, "organization_id", "name", unique=True),
)

# When each machine was there and enabled, in minutes since the epoch; usage is metered from it.
lifetimes = Table(
    "lifetimes",
    metadata,
    Column("organization_id", String(10), ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    Column("machine_id", String(12), primary_key=True),
    # The machine's last one.
    Column("name", Text, nullable=False),
    Column("since", Integer, primary_key=True, autoincrement=False),
    # Null while it goes on.
    Column("until", Integer, nullable=True),
)

# When the organization was on the paid plan, and when it was suspended, in minutes since the epoch.
meter_spans = Table(
    "meter_spans",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _belongs_to_organization(),
    Column("kind", String(12), nullable=False),
    Column("since", Integer, nullable=False),
    Column("until", Integer, nullable=True),
    Index(None, "organization_id", "id"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", String(12), primary_key=True),
    _belongs_to_organization(),
    Column("email", Text, nullable=False),
    Column("role", String(8), nullable=False),
    Column("invited_by", Text, nullable=False),
    # Null until the letter with the link is sent.
    Column("token_hash", String(64), nullable=True, unique=True),
    # Whether a letter brings the link to the address, and nobody else has it.
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

# Leave to sign up, by a link that works once.
permits = Table(
    "permits",
    metadata,
    Column("id", String(12), primary_key=True),
    # The address that the account has to have; null: any.
    Column("email", Text, nullable=True),
    # Whether a letter brings the link to that address, and nobody else has it.
    Column("by_letter", Boolean, nullable=False),
    # Null until the letter with the link is sent.
    Column("token_hash", String(64), nullable=True, unique=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

mail = Table(
    "mail",
    metadata,
    Column("id", String(12), primary_key=True),
    # Null for a letter to somebody who has no organization yet.
    _belongs_to_organization(nullable=True),
    Column("kind", String(16), nullable=False),
    # What a letter of this kind is about, as its composer takes it; it need not be in the store any more.
    Column("about", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    UniqueConstraint("kind", "about"),
    Index(None, "organization_id"),
    Index(None, "due_at"),
)

# Requests that came with a key of the caller's own, or by a form of a page, so that a repetition is known as one.
repeats = Table(
    "repeats",
    metadata,
    _belongs_to_organization(),
    Column("key_hash", String(64), nullable=False),
    # Keyed by the key, of which the store has no more than a hash: nobody can guess a password in it.
    Column("request_hash", String(64), nullable=False),
    Column("began_at", Float, nullable=False),
    # Who sent the form; null for a key of the caller's own.
    Column("member_id", String(12), ForeignKey("members.id", ondelete="CASCADE"), nullable=True),
    # Set by the transaction that does what is asked for.
    Column("done", Boolean, nullable=False),
    # Null while the request is worked on, and for good where that was cut off.
    Column("status", Integer, nullable=True),
    # What it made, as a path of the API, or where a page leads.
    Column("location", Text, nullable=True),
    # Null where the answer held what is shown once.
    Column("body", LargeBinary, nullable=True),
    PrimaryKeyConstraint("organization_id", "key_hash"),
    Index(None, "began_at"),
    Index(None, "member_id"),
)

# Nothing here tells which organization it was.
deletions = Table(
    "deletions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("actor", String(8), nullable=False),
    Column("removed", JSON, nullable=False),
    # Whether the files of the store have nothing of it any more, free pages and journal included.
    Column("scrubbed", Boolean, nullable=False),
)

operations = Table(
    "operations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("user", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("detail", JSON, nullable=False),
)
