"""Table of the shards, which several hubs divide among themselves; empty where there is one hub."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, UniqueConstraint

from appliance.store.schema.base import metadata

shards = Table(
    "shards",
    metadata,
    # Of the form of an instance's id: kernel objects of the shard's organizations are named after it.
    Column("id", String(3), primary_key=True),
    # Public address and UDP port that its organizations' configurations lead to.
    Column("address", Text, nullable=False),
    Column("port", Integer, nullable=False),
    # Token of its latest owner (`store.shards`); 0 before the first.
    Column("fence", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("address", "port"),
)
