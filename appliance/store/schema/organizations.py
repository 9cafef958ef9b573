"""Tables of the instance and its organizations: machines, rules, records of them."""

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
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
    true,
)

from appliance.store.schema.base import belongs_to_organization, metadata

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
    # Data key of operators' secrets, sealed under the unlock secret; null before the first operator.
    Column("operators_key", LargeBinary, nullable=True),
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
    # Size of its policy's history (`policy_history`).
    Column("history_bytes", BigInteger, nullable=False, server_default="0"),
    # Number of its expectations, so that a save need not look for them.
    Column("expectation_count", Integer, nullable=False, server_default="0"),
    # A new random number for each change of the desired state (`Desired`).
    Column("revision", BigInteger, nullable=False, server_default="0"),
    # False during its sign-up and its deletion.
    Column("active", Boolean, nullable=False),
    # Start of a suspension, in which it is stored and not enforced; null if it is not suspended.
    Column("suspended_at", Float, nullable=True),
    # Start of its deletion, when its keys are destroyed; null before.
    Column("deleting_since", Float, nullable=True),
    Column("created_at", Float, nullable=False),
    # Shard whose address its configurations name (`shards`); null where there is one hub.
    Column("shard", String(3), nullable=True, index=True),
    # Time of the latest handshake of its machines, to some minutes; null if none was noted (`liveness`).
    Column("heard_at", Float, nullable=True),
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

machines = Table(
    "machines",
    metadata,
    Column("id", String(12), primary_key=True),
    belongs_to_organization(),
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
IS_DISABLED = text("NOT enabled")
"""Condition of disabled machines. SQLite uses an index of these alone only for a query with the very same condition."""
# For a query that runs with every new machine and mostly finds nothing.
_DISABLED = Index("ix_machines_disabled", machines.c.organization_id, sqlite_where=IS_DISABLED)

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
    belongs_to_organization(),
    Column("position", Integer, nullable=False),
    Column("action", String(8), nullable=False),
    Column("source", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("protocol", String(8), nullable=False),
    Column("ports", Text, nullable=False),
    Column("description", Text, nullable=False),
    Index(None, "organization_id", "position"),
)

# Kept saves of each policy. No version between the oldest and the present one is missing.
policy_history = Table(
    "policy_history",
    metadata,
    Column("organization_id", String(10), ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    # JSON: what changed, in words.
    Column("changes", Text, nullable=False),
    # JSON: how to come from this version to the one before.
    Column("back", Text, nullable=False),
    # Approximate size in bytes.
    Column("size", Integer, nullable=False),
    Index(None, "at"),
)

# What each policy should allow or deny, whichever rules it has.
expectations = Table(
    "expectations",
    metadata,
    Column("organization_id", String(10), ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("protocol", String(8), nullable=False),
    # Null for every port.
    Column("port", Integer, nullable=True),
    Column("verdict", String(8), nullable=False),
)

# Packets that each policy decided about, by hour and by day.
decided_packets = Table(
    "decided_packets",
    metadata,
    Column("organization_id", String(10), ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    # Hours of a step: 1 or 24.
    Column("hours", Integer, primary_key=True, autoincrement=False),
    # Hours since the epoch.
    Column("start", Integer, primary_key=True, autoincrement=False),
    # JSON: packets by rule id, the default's by "".
    Column("packets", Text, nullable=False),
    Index(None, "hours", "start"),
)

audit = Table(
    "audit",
    metadata,
    # Gives the order of entries. It counts those of all organizations, so it is never shown.
    Column("id", Integer, primary_key=True, autoincrement=True),
    # Random public id.
    Column("name", String(16), nullable=False, server_default=""),
    belongs_to_organization(),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("detail", JSON, nullable=False),
    # Approximate size in bytes.
    Column("size", Integer, nullable=False, server_default="0"),
    Index(None, "organization_id", "id"),
    Index(None, "organization_id", "name", unique=True),
    # For what asks about the last hour, while others wait to write.
    Index(None, "organization_id", "at"),
)

IS_REPAIR = text("action = 'hub.mended'")
"""Condition of entries about repairs, for a query that uses their index."""
# For a page of every member; a trail has many entries and few of these.
# With the action, or SQLite would rather take the index of all entries.
_REPAIRS = Index("ix_audit_repairs", audit.c.organization_id, audit.c.action, audit.c.id, sqlite_where=IS_REPAIR)

PARTIAL = (_DISABLED, _REPAIRS)
"""Indexes of some rows. For PostgreSQL, `migration` adds the same conditions: said here, every process would load that
dialect, which takes 0.1 s."""

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
    Index(None, "organization_id", "until", "since"),
)

# Metered spans on the paid plan and of suspension, in minutes since the epoch.
meter_spans = Table(
    "meter_spans",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    belongs_to_organization(),
    Column("kind", String(12), nullable=False),
    Column("since", Integer, nullable=False),
    Column("until", Integer, nullable=True),
    Index(None, "organization_id", "id"),
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
