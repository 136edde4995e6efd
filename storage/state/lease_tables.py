"""Tables of what one process does for all: who holds a lease, and which runs of the KPI jobs there were."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from storage.state.columns import UtcDateTime
from storage.state.metadata import METADATA

LEASES = Table(
    "leases",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("token", BigInteger, nullable=False),  # one more for each holder
    Column("taken_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

KPI_RUNS = Table(
    "kpi_runs",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job", String(32), nullable=False),
    Column("tenant", String(128), nullable=False),
    Column("holder", String(128), nullable=False),
    Column("began", UtcDateTime, nullable=False),
    Column("ended", UtcDateTime, nullable=True),  # null: under way
    Column("outcome", String(16), nullable=False),
    Column("repeats", Integer, nullable=False),  # of runs that found nothing new, one row for those in a row
    Column("computed", Integer, nullable=False),
    Column("buckets", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("data_through", UtcDateTime, nullable=True),
    Column("error", Text, nullable=False),
    Index(None, "tenant", "began"),
    Index("ix_kpi_runs_began", "began"),
)
