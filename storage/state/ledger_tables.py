"""Tables of the ingest ledger: what became of every accepted item, and which segments are settled."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, Text

from storage.state.metadata import METADATA

LEDGER = Table(
    "ledger",
    METADATA,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),  # seconds since the epoch, a whole hour
    Column("signal", String(16), primary_key=True),
    Column("tenant", String(255), primary_key=True),
    Column("stored", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
)

LEDGER_SEGMENTS = Table(
    "ledger_segments",
    METADATA,
    Column("segment", BigInteger, primary_key=True, autoincrement=False),
    Column("settled_at", BigInteger, nullable=False),  # nanoseconds since the epoch
)

LEDGER_OUTCOMES = Table(
    "ledger_outcomes",
    METADATA,
    Column("segment", BigInteger, primary_key=True, autoincrement=False),
    Column("settled_at", BigInteger, nullable=False),  # nanoseconds since the epoch
    Column("stored", Text, nullable=False),  # JSON: [[signal, tenant, hour, items], …]
    Column("checked_at", BigInteger, nullable=True),  # nanoseconds since the epoch; null: not yet
    Column("balanced", Boolean, nullable=False),
    Column("difference", Text, nullable=False),  # JSON: [[signal, tenant, hour, items, rows], …]
    Index(None, "balanced", "settled_at"),
)
"""What a segment's outcome was, for as long as it is compared with the tables (collector/balance.py)."""
