"""Frozen baselines of KPIs. Rows are added and never changed; the newest row of a key is the one in force."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from storage.state.columns import UtcDateTime
from storage.state.metadata import METADATA

KPI_BASELINES = Table(
    "kpi_baselines",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String(128), nullable=False),
    Column("kpi_id", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("basis", String(64), nullable=False),  # '': there is only one
    Column("dimension", String(128), nullable=False),  # '': the total
    Column("dimension_value", String(512), nullable=False),
    Column("stream", String(128), nullable=False),
    Column("period_start", UtcDateTime, nullable=False),
    Column("period_end", UtcDateTime, nullable=False),
    Column("value", Float, nullable=False),  # at the freeze, in the KPI's unit
    Column("sample", Text, nullable=False),  # JSON of kpis.value.samples
    Column("data_through", UtcDateTime, nullable=False),
    Column("frozen_by", String(256), nullable=False),
    Column("frozen_at", UtcDateTime, nullable=False),
    Column("reason", String(1000), nullable=False),
    Index(None, "tenant", "kpi_id", "id"),
    sqlite_autoincrement=True,  # the id is the order of freezing, so none is used twice
)
