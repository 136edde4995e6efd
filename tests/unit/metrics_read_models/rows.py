"""Rows for the read models' tests, put straight into the tables they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage import ClickHouse


@dataclass(frozen=True)
class Span:
    """One span; ids from small numbers."""

    at: datetime
    number: int
    trace: int = 1
    parent: int = 0
    name: str = "POST /orders"
    kind: str = "Server"
    system: str = "warehouse"
    ms: float = 10
    failed: bool = False
    message: str = ""
    case: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    events: tuple[tuple[datetime, str, Mapping[str, str]], ...] = ()
    links: tuple[tuple[str, str, str, Mapping[str, str]], ...] = ()


def load_spans(ch: ClickHouse, tenant: str, spans: Iterable[Span]) -> None:
    """Inserts the spans."""
    rows: list[dict[str, Any]] = [
        {
            "TenantId": tenant,
            "Stream": "order-to-cash" if span.case else "",
            "CaseId": span.case,
            "Timestamp": span.at,
            "TraceId": f"{span.trace:032x}",
            "SpanId": f"{span.number:016x}",
            "ParentSpanId": f"{span.parent:016x}" if span.parent else "",
            "SpanName": span.name,
            "SpanKind": span.kind,
            "ServiceName": span.system,
            "ResourceAttributes": {"service.name": span.system},
            "SpanAttributes": dict(span.attributes),
            "Duration": int(span.ms * 1_000_000),
            "StatusCode": "Error" if span.failed else "Unset",
            "StatusMessage": span.message,
            "Events.Timestamp": [event[0] for event in span.events],
            "Events.Name": [event[1] for event in span.events],
            "Events.Attributes": [dict(event[2]) for event in span.events],
            "Links.TraceId": [link[0] for link in span.links],
            "Links.SpanId": [link[1] for link in span.links],
            "Links.TraceState": [link[2] for link in span.links],
            "Links.Attributes": [dict(link[3]) for link in span.links],
            "ReceivedAt": span.at,
        }
        for span in spans
    ]
    ch.insert_rows("otel_traces", list(rows[0]), [list(row.values()) for row in rows])


def load_gauge(
    ch: ClickHouse,
    tenant: str,
    name: str,
    queue: str,
    points: Iterable[tuple[datetime, float]],
    system: str = "rabbit",
    group: str = "",
) -> None:
    """Inserts samples of one queue's gauge."""
    columns = ("TenantId", "ServiceName", "MetricName", "Attributes", "TimeUnix", "Value", "ReceivedAt")
    attributes = {"messaging.system": system, "messaging.destination.name": queue}
    if group:
        attributes["messaging.consumer.group.name"] = group
    rows = [(tenant, "order-management", name, attributes, at, value, at) for at, value in points]
    ch.insert_rows("otel_metrics_gauge", columns, rows)
