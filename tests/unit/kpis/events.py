"""Rows for the KPI tests, put straight into the tables that the jobs read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kpis import Catalogue, load_catalogue
from storage import ClickHouse

ORDERS, RETURNS = "order-to-cash", "return-to-resolution"


@dataclass(frozen=True)
class Event:
    """One business event of a case; its currency is an attribute."""

    stream: str
    case: str
    name: str
    at: datetime
    event_id: str
    quantity: float | None = None
    amount: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    seq: int = 0
    started: datetime | None = None

    def moved(self, at: datetime) -> Event:
        """The same event, reported with another time."""
        return replace(self, at=at)

    def named(self, case: str) -> Event:
        """The same event of another case."""
        return replace(self, case=case)


@dataclass(frozen=True)
class Call:
    """One integration call."""

    edge: str
    at: datetime
    span: int
    failed: bool = False
    kind: str = "Client"


def load_events(
    ch: ClickHouse,
    tenant: str,
    events: Iterable[Event],
    received: datetime,
    *,
    segment: int = 0,
    table: str = "process_events",
) -> None:
    """Inserts the events as received at the time, in a segment; `record_events`: those about stock and prices."""
    rows: list[tuple[Any, ...]] = [
        (
            tenant,
            event.stream,
            event.case,
            event.at,
            event.seq,
            event.event_id,
            event.name,
            event.name,
            event.quantity,
            None if event.amount is None else Decimal(event.amount),
            event.attributes.get("retail.currency", ""),
            event.attributes,
            event.attributes.get("retail.actor.type", ""),
            event.started,
            received,
            segment,
        )
        for event in events
    ]
    columns = (
        "TenantId",
        "Stream",
        "CaseId",
        "Timestamp",
        "Seq",
        "EventId",
        "Step",
        "EventName",
        "Quantity",
        "Amount",
        "Currency",
        "Attributes",
        "ActorType",
        "StartTime",
        "ReceivedAt",
        "SegmentId",
    )
    ch.insert_rows(table, columns, rows)


def load_calls(ch: ClickHouse, tenant: str, calls: Iterable[Call], received: datetime) -> None:
    """Inserts the calls as spans received at the time."""
    rows = [
        (
            tenant,
            call.at,
            f"{call.span:032x}",
            f"{call.span:016x}",
            "POST /orders",
            call.kind,
            "order-management",
            "Error" if call.failed else "Unset",
            {"retail.edge": call.edge} if call.edge else {},
            1_000_000,
            received,
        )
        for call in calls
    ]
    columns = (
        "TenantId",
        "Timestamp",
        "TraceId",
        "SpanId",
        "SpanName",
        "SpanKind",
        "ServiceName",
        "StatusCode",
        "SpanAttributes",
        "Duration",
        "ReceivedAt",
    )
    ch.insert_rows("otel_traces", columns, rows)


def moment(text: str) -> datetime:
    """`2026-03-02T09:00` as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def headline_kpis() -> Catalogue:
    """Two over views, and one with a statement of its own; the others are not computed, which makes tests short."""
    few = ("fill_rate", "integration_failure_rate", "refund_turnaround")
    return load_catalogue().chosen(lambda one: one.id in few)
