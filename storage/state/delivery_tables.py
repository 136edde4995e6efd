"""Scheduled reports: how far each schedule was looked at, its runs, and what each target got.

A run's id comes from tenant, subscription and scheduled time, so that a due time makes one run, however often it is
looked at. A delivery's id is what the receiver sees, on every attempt the same.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from storage.state.columns import UtcDateTime
from storage.state.metadata import METADATA

report_schedules = Table(
    "report_schedules",
    METADATA,
    Column("tenant", String(128), primary_key=True),
    Column("subscription", String(128), primary_key=True),
    Column("seen_through", UtcDateTime, nullable=False),
)

report_runs = Table(
    "report_runs",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("subscription", String(128), nullable=False),
    Column("scheduled_at", UtcDateTime, nullable=False),
    Column("period_start", UtcDateTime, nullable=False),
    Column("period_end", UtcDateTime, nullable=False),
    Column("state", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("detail", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("data_through", UtcDateTime, nullable=True),
    UniqueConstraint("tenant", "subscription", "scheduled_at"),
    Index(None, "tenant", "scheduled_at"),
)

report_deliveries = Table(
    "report_deliveries",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("run_id", String(64), ForeignKey("report_runs.id"), nullable=False),
    Column("tenant", String(128), nullable=False),
    Column("target", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("state", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("detail", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index(None, "state", "due_at"),
)
