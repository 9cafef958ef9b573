"""Tables of letters to send, repeated requests, and the operator's operations."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from appliance.store.schema.base import belongs_to_organization, metadata

mail = Table(
    "mail",
    metadata,
    Column("id", String(12), primary_key=True),
    # Null for a letter to a person without an organization.
    belongs_to_organization(nullable=True),
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
    belongs_to_organization(),
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

operations = Table(
    "operations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("user", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("detail", JSON, nullable=False),
)

# Runs of the gate in the folder of runs that the public pages do not show.
hidden_runs = Table("hidden_runs", metadata, Column("run", String(64), primary_key=True))
