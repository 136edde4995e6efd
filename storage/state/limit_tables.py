"""What operators allow each tenant to push; tenants without a row have the settings' defaults."""

from __future__ import annotations

from sqlalchemy import Column, Float, String, Table

from storage.state.columns import UtcDateTime
from storage.state.metadata import METADATA

INGEST_LIMITS = Table(
    "ingest_limits",
    METADATA,
    Column("tenant", String(64), primary_key=True),
    Column("bytes_per_s", Float),
    Column("items_per_s", Float),
    Column("weight", Float, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", String(100), nullable=False),
)
