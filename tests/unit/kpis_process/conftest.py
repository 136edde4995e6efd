"""Writes events straight into `process_events`, one tenant a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from storage import ClickHouse

DAY_ONE = datetime(2026, 3, 1, tzinfo=UTC)
COLUMNS = (
    "TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "StartTime", "System",
    "Amount", "Currency", "ReceivedAt", "SegmentId",
)  # fmt: skip


@dataclass(frozen=True)
class E:
    """An event; `at` and `start` are seconds after 2026-03-01T00:00:00Z."""

    case: str
    step: str
    at: float
    start: float | None = None
    seq: int = 0
    event_id: str = ""
    amount: str | None = None
    currency: str = "EUR"
    name: str = ""

    def row(self, tenant: str, stream: str, place: int) -> tuple[Any, ...]:
        def when(seconds: float) -> datetime:
            return DAY_ONE + timedelta(seconds=seconds)

        return (
            tenant, stream, self.case, when(self.at), self.seq or place, self.event_id or f"e{place}", self.step,
            self.name or self.step, None if self.start is None else when(self.start), "erp",
            None if self.amount is None else Decimal(self.amount), self.currency if self.amount else "",
            DAY_ONE, 1,
        )  # fmt: skip


Insert = Callable[..., None]


@pytest.fixture
def event() -> type[E]:
    return E


@pytest.fixture
def insert(clickhouse: ClickHouse, tenant: str) -> Insert:
    """Stores the events of one stream for this test's tenant, numbered in the order given."""

    def run(events: Iterable[E], stream: str = "s", tenant: str = tenant) -> None:
        rows = [event.row(tenant, stream, place) for place, event in enumerate(events, 1)]
        clickhouse.insert_rows("process_events", COLUMNS, rows)

    return run
