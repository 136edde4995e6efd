"""What people decided about entries of the quarantine; the store's table mirrors it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, String, Table

from storage.state.metadata import METADATA

QUARANTINE_DECISIONS = Table(
    "quarantine_decisions",
    METADATA,
    Column("segment", BigInteger, primary_key=True, autoincrement=False),
    Column("frame_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", String(255), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),  # replaying, replayed, discarded
    Column("accept_window", Boolean, nullable=False),
    Column("accept_limits", Boolean, nullable=False),
    Column("decided_by", String(200), nullable=False),
    Column("decided_at", BigInteger, nullable=False),  # nanoseconds since the epoch
)
