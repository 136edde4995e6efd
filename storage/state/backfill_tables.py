"""Backfills of KPIs that are under way: which steps are done, so that one that was killed goes on where it was."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from storage.state.columns import UtcDateTime
from storage.state.metadata import METADATA

KPI_BACKFILL_STEPS = Table(
    "kpi_backfill_steps",
    METADATA,
    Column("backfill", String(64), primary_key=True),  # a hash of what was asked for
    Column("step", String(256), primary_key=True),
    Column("done_at", UtcDateTime, nullable=False),
)
