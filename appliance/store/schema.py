"""Tables of the store. Constraints of the database, not checks in code, guarantee uniqueness."""

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
    # Public UDP port in configurations; null before the first start.
    Column("port", Integer, nullable=True),
    # Offset of the wall clock from the clock of the host's boot (`setbacks`); null at first.
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
    # Approximate size of its rules (`policies.growth`).
    Column("policy_bytes", Integer, nullable=False, server_default="0"),
    # A new random number for each change of the desired state (`Desired`).
    Column("revision", BigInteger, nullable=False, server_default="0"),
    # False during its sign-up and its deletion.
    Column("active", Boolean, nullable=False),
    # Start of a suspension, in which it is stored and not enforced; null if it is not suspended.
    Column("suspended_at", Float, nullable=True),
    # Start of its deletion, when its keys are destroyed; null before.
    Column("deleting_since", Float, nullable=True),
    Column("created_at", Float, nullable=False),
    # Minutes since the epoch: of its first metered change, of its last one, and the one after that (`meters`).
    Column("meter_from", Integer, nullable=False, server_default="0"),
    Column("meter_at", Integer, nullable=False, server_default="0"),
    Column("meter_end", Integer, nullable=False, server_default="0"),
    # Size of its audit trail, day of the latest entry, and bytes written on that day (`trails`).
    Column("trail_entries", Integer, nullable=False, server_default="0"),
    Column("trail_bytes", BigInteger, nullable=False, server_default="0"),
    Column("trail_day", Integer, nullable=False, server_default="0"),
    Column("trail_day_bytes", BigInteger, nullable=False, server_default="0"),
    # Time of the oldest entry; null if there is none.
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
    # Null until the e-mail address is verified.
    Column("verified_at", Float, nullable=True),
    Column("created_at", Float, nullable=False),
    Index(None, "organization_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _belongs_to_member(),
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
    _belongs_to_member(),
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

machines = Table(
    "machines",
    metadata,
    Column("id", String(12), primary_key=True),
    _belongs_to_organization(),
    Column("name", Text, nullable=False),
    # Name of its configuration's file without the suffix, in lower case.
    Column("interface", String(15), nullable=False, server_default=""),
    # A number, which the database can sort and compare; addresses need more than signed 32 bits.
    Column("address", BigInteger, nullable=False),
    Column("public_key", String(44), nullable=False),
    Column("groups", JSON, nullable=False),
    # False if the data plane doesn't have it.
    Column("enabled", Boolean, nullable=False, server_default=true()),
    Column("created_at", Float, nullable=False),
    # Its last endpoint, "address:port"; null before its first handshake.
    Column("endpoint", Text, nullable=True),
    UniqueConstraint("organization_id", "name"),
    UniqueConstraint("organization_id", "address"),
    UniqueConstraint("organization_id", "public_key"),
    Index(None, "organization_id", "interface", unique=True),
)
# For a query that runs with every new machine and mostly finds nothing. In PostgreSQL it is of disabled machines alone,
# too, as its migration says: said here, every process would load that dialect, which takes 0.1 s.
Index("ix_machines_disabled", machines.c.organization_id, sqlite_where=~machines.c.enabled)

# Not given out again before their quiet time is over.
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
    # Gives the order of entries. It counts those of all organizations, so it is never shown.
    Column("id", Integer, primary_key=True, autoincrement=True),
    # Random public id.
    Column("name", String(16), nullable=False, server_default=""),
    _belongs_to_organization(),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("detail", JSON, nullable=False),
    # Approximate size in bytes.
    Column("size", Integer, nullable=False, server_default="0"),
    Index(None, "organization_id", "id"),
    Index(None, "organization_id", "name", unique=True),
)

# Metered spans in which each machine was enabled, in minutes since the epoch.
lifetimes = Table(
    "lifetimes",
    metadata,
    Column("organization_id", String(10), ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    Column("machine_id", String(12), primary_key=True),
    # The machine's latest name.
    Column("name", Text, nullable=False),
    Column("since", Integer, primary_key=True, autoincrement=False),
    # Null while the span is open.
    Column("until", Integer, nullable=True),
)

# Metered spans on the paid plan and of suspension, in minutes since the epoch.
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
    # Null until the letter with the link is sent.
    Column("token_hash", String(64), nullable=True, unique=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

mail = Table(
    "mail",
    metadata,
    Column("id", String(12), primary_key=True),
    # Null for a letter to a person without an organization.
    _belongs_to_organization(nullable=True),
    Column("kind", String(16), nullable=False),
    # Id of the letter's subject for its composer; the subject may be removed already.
    Column("about", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    UniqueConstraint("kind", "about"),
    Index(None, "organization_id"),
    Index(None, "due_at"),
)

# Requests with an idempotency key, or by a form of a page, for recognizing repetitions.
repeats = Table(
    "repeats",
    metadata,
    _belongs_to_organization(),
    Column("key_hash", String(64), nullable=False),
    # An HMAC under the caller's key, which is not stored, so that passwords in requests can't be guessed from it.
    Column("request_hash", String(64), nullable=False),
    Column("began_at", Float, nullable=False),
    # Sender of the form; null for an idempotency key.
    Column("member_id", String(12), ForeignKey("members.id", ondelete="CASCADE"), nullable=True),
    # Set in the transaction of the request's change.
    Column("done", Boolean, nullable=False),
    # Null until the request is answered, and for good if it was interrupted.
    Column("status", Integer, nullable=True),
    # Path of the created resource in the API, or of the page that follows.
    Column("location", Text, nullable=True),
    # Null if the answer had a secret that is shown once.
    Column("body", LargeBinary, nullable=True),
    PrimaryKeyConstraint("organization_id", "key_hash"),
    Index(None, "began_at"),
    Index(None, "member_id"),
)

# Anonymous: nothing identifies the deleted organization.
deletions = Table(
    "deletions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("actor", String(8), nullable=False),
    Column("removed", JSON, nullable=False),
    # True if the store's files have nothing of it any more, including free pages and journal.
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
