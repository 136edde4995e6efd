"""What a version of a tenant's own or changed KPI meant when it was first taken into force. Rows never change."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from storage.state.columns import UtcDateTime
from storage.state.metadata import METADATA

KPI_MEANINGS = Table(
    "kpi_meanings",
    METADATA,
    Column("tenant", String(128), primary_key=True),
    Column("kpi_id", String(128), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("meaning", String(64), nullable=False),  # a hash of what the numbers depend on
    Column("since", UtcDateTime, nullable=False),
)
