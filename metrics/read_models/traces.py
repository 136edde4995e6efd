"""One trace: all its spans with attributes, events and links, and the cases they belong to.

It shows what has arrived so far; a trace has no end that anybody announces, so it is never promised to be complete.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from core import InvalidInput
from metrics.read_models._values import as_utc, sql_time
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

MAX_SPANS = 20_000
TRACE_ID = re.compile(r"[0-9a-f]{32}")
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class SpanEvent:
    """Something that happened within a span."""

    at: datetime
    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class SpanLink:
    """Another span that this one points at; ids as lower-case hex."""

    trace_id: str
    span_id: str
    trace_state: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class TraceSpan:
    """One span. `start_ns` is exact, in nanoseconds since the Unix epoch; `start` is cut to microseconds."""

    span_id: str
    parent_span_id: str
    name: str
    kind: str
    system: str
    start: datetime
    start_ns: int
    duration_ns: int
    status: str
    status_message: str
    stream: str
    case_id: str
    step: str
    actor: str
    trace_state: str
    scope_name: str
    scope_version: str
    attributes: Mapping[str, str]
    resource_attributes: Mapping[str, str]
    events: tuple[SpanEvent, ...]
    links: tuple[SpanLink, ...]

    @property
    def end_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self.start_ns + self.duration_ns


@dataclass(frozen=True)
class Trace:
    """Spans in order of start. `cases` are the (stream, case id) pairs seen; `truncated` when there were more spans."""

    trace_id: str
    start: datetime
    end: datetime
    spans: tuple[TraceSpan, ...]
    cases: tuple[tuple[str, str], ...]
    truncated: bool = False

    @property
    def duration_ms(self) -> float:
        """From the first start to the last end, in milliseconds."""
        first = min(span.start_ns for span in self.spans)
        return (max(span.end_ns for span in self.spans) - first) / 1_000_000


def trace(ch: ClickHouse, tenant: str, trace_id: str, *, max_spans: int = MAX_SPANS) -> Trace | None:
    """The trace, or None when this tenant has none with the id. Raises InvalidInput unless it is 32 hex digits."""
    wanted = trace_id.strip().lower()
    if not TRACE_ID.fullmatch(wanted):
        raise InvalidInput(f"a trace id is 32 hexadecimal digits, got {trace_id[:64]!r}")
    asked = {"tenant": tenant, "trace_id": wanted}
    known, first, last = ch.query(load_sql("metrics", "trace_range"), asked).rows[0]
    if not known:  # or not yet: an insert writes the spans first, and what finds them a moment later
        known, first, last = ch.query(load_sql("metrics", "trace_range_itself"), asked).rows[0]
    if not known:
        return None
    bounds = {"start": sql_time(as_utc(first) - SECOND), "end": sql_time(as_utc(last) + SECOND + SECOND)}
    found = ch.query(
        load_sql("metrics", "trace_spans"),
        {"tenant": tenant, "trace_id": wanted, **bounds, "limit": max_spans + 1},
    ).dicts()
    if not found:
        return None
    spans = tuple(_span(row) for row in found[:max_spans])
    return Trace(
        trace_id=wanted,
        start=spans[0].start,
        end=max(span.start + timedelta(microseconds=span.duration_ns / 1_000) for span in spans),
        spans=spans,
        cases=tuple(sorted({(span.stream, span.case_id) for span in spans if span.case_id})),
        truncated=len(found) > max_spans,
    )


def _span(row: Mapping[str, Any]) -> TraceSpan:
    events = zip(row["EventTimes"], row["EventNames"], row["EventAttributes"], strict=True)
    links = zip(row["LinkTraceIds"], row["LinkSpanIds"], row["LinkTraceStates"], row["LinkAttributes"], strict=True)
    return TraceSpan(
        span_id=row["SpanId"],
        parent_span_id=row["ParentSpanId"],
        name=row["SpanName"],
        kind=row["SpanKind"],
        system=row["ServiceName"],
        start=as_utc(row["Timestamp"]),
        start_ns=int(row["StartNs"]),
        duration_ns=int(row["Duration"]),
        status=row["StatusCode"],
        status_message=row["StatusMessage"],
        stream=row["Stream"],
        case_id=row["CaseId"],
        step=row["Step"],
        actor=row["Actor"],
        trace_state=row["TraceState"],
        scope_name=row["ScopeName"],
        scope_version=row["ScopeVersion"],
        attributes=dict(row["SpanAttributes"]),
        resource_attributes=dict(row["ResourceAttributes"]),
        events=tuple(SpanEvent(as_utc(at), name, dict(attributes)) for at, name, attributes in events),
        links=tuple(SpanLink(trace_id, span_id, state, dict(found)) for trace_id, span_id, state, found in links),
    )
