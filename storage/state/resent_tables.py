"""What was stored lately, by content: a caller who sends the same bytes again sends a duplicate."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, LargeBinary, Table

from storage.state.metadata import METADATA

SEEN_REQUESTS = Table(
    "seen_requests",
    METADATA,
    Column("digest", LargeBinary(16), primary_key=True),  # of signal, tenant and payload
    Column("received_at", BigInteger, nullable=False, index=True),  # nanoseconds since the epoch
    sqlite_with_rowid=False,
)

CLAIMED_SEGMENTS = Table(
    "claimed_segments",
    METADATA,
    Column("segment", BigInteger, primary_key=True, autoincrement=False),
    Column("created_at", BigInteger, nullable=False, index=True),  # nanoseconds since the epoch
    Column("duplicates", JSON, nullable=False),  # indexes of the frames that were seen before
)
