"""Spans and log records for the tests of resolution, as rows of the tables that the engine decodes them into."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from storage import ClickHouse

DAY_ONE = datetime(2026, 3, 1, tzinfo=UTC)
SEGMENTS = itertools.count(1_000_000)
SPAN_COLUMNS = (
    "TenantId", "Stream", "CaseId", "Step", "Actor", "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName",
    "SpanKind", "ServiceName", "SpanAttributes", "Duration", "Links.TraceId", "Links.SpanId", "Links.TraceState",
    "Links.Attributes", "ReceivedAt", "SegmentId",
)  # fmt: skip
EVENT_COLUMNS = (
    "TenantId", "Stream", "CaseId", "Step", "Timestamp", "TraceId", "SpanId", "ServiceName", "LogAttributes",
    "EventName", "ReceivedAt", "SegmentId",
)  # fmt: skip


def when(seconds: float) -> datetime:
    return DAY_ONE + timedelta(seconds=seconds)


@dataclass(frozen=True)
class S:
    """A span; `start` and `end` are seconds after 2026-03-01T00:00:00Z."""

    trace: str
    span: str
    parent: str = ""
    stream: str = ""
    case: str = ""
    step: str = ""
    kind: str = "Internal"
    name: str = "work"
    start: float = 0
    end: float = 1
    links: tuple[tuple[str, str], ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    def row(self, tenant: str, segment: int) -> tuple[Any, ...]:
        took = round((self.end - self.start) * 1e9)
        return (
            tenant, self.stream, self.case, self.step, "system", when(self.start), self.trace, self.span, self.parent,
            self.name, self.kind, "wms", dict(self.attributes), took, [t for t, _ in self.links],
            [s for _, s in self.links], ["" for _ in self.links], [{} for _ in self.links], DAY_ONE, segment,
        )  # fmt: skip


@dataclass(frozen=True)
class L:
    """A log record with an event name."""

    name: str
    at: float
    trace: str = ""
    span: str = ""
    stream: str = ""
    case: str = ""
    step: str = ""
    event_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def row(self, tenant: str, segment: int) -> tuple[Any, ...]:
        named = {"retail.event.id": self.event_id} if self.event_id else {}
        return (
            tenant, self.stream, self.case, self.step, when(self.at), self.trace, self.span, "wms",
            {**self.attributes, **named}, self.name, DAY_ONE, segment,
        )  # fmt: skip


def store(ch: ClickHouse, tenant: str, items: Iterable[S | L]) -> None:
    """Stores them as one segment."""
    segment, kept = next(SEGMENTS), list(items)
    spans = [one.row(tenant, segment) for one in kept if isinstance(one, S)]
    events = [one.row(tenant, segment) for one in kept if isinstance(one, L)]
    ch.insert_rows("otel_traces", SPAN_COLUMNS, spans)
    ch.insert_rows("otel_logs", EVENT_COLUMNS, events)
