"""Tables of retention: what was decided, and what was dropped because of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from storage.state.columns import UtcDateTime
from storage.state.metadata import METADATA

RETENTION_POLICIES = Table(
    "retention_policies",
    METADATA,
    Column("tenant", String(128), primary_key=True),  # '*': everybody without an own one
    Column("dataset", String(32), primary_key=True),
    Column("days", Integer, nullable=True),  # null: for ever
    Column("changed_by", String(256), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

RETENTION_DROPS = Table(
    "retention_drops",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("dropped_at", UtcDateTime, nullable=False),
    Column("tenant", String(128), nullable=False),
    Column("dataset", String(32), nullable=False),
    Column("table_name", String(64), nullable=False),
    Column("partition", String(16), nullable=False),
    Column("days", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("oldest", UtcDateTime, nullable=False),
    Column("newest", UtcDateTime, nullable=False),
    Index(None, "tenant", "dropped_at"),
)
