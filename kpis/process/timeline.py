"""One case: its steps in order with the waits between them, and the spans of its traces.

Bounded: the newest steps, the newest traces, and of their spans the failed and the longest. The totals say what was
cut; the cutting is the engine's. A trace that several cases share shows only what belongs to this one or to none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.errors import NotFound
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_STEPS = 500
MAX_TRACES = 200
MAX_SPANS = 400


@dataclass(frozen=True)
class TimelineStep:
    """A step. `start` is None where only its end is known; then `worked_s` and `waited_s` are None too.

    `waited_s`: from the end of everything earlier in the case to the start, not below 0. `worked_s`: what it adds to
    the time in which the case was worked on. `unknown_s`: the uncovered time before an end whose start is not known;
    None where the start is known. Seconds. `rule`: how its case was found.
    """

    step: str
    event_name: str
    start: datetime | None
    end: datetime
    waited_s: float | None
    worked_s: float | None
    unknown_s: float | None
    resource: str
    system: str
    actor: str
    rule: str


@dataclass(frozen=True)
class TimelineSpan:
    """A span; `error`: its status is an error. `start` is cut to microseconds."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    system: str
    step: str
    start: datetime
    duration_s: float
    error: bool
    status_message: str


@dataclass(frozen=True)
class CaseTimeline:
    """A case. `outcome` is its terminal event, '' while open; lengths in seconds, `value` in `currency`.

    `steps` and `spans` are in order of time and may be fewer than `total_steps` and `total_spans`; spans are of the
    `traces_read` newest of `total_traces`, and `total_spans` counts those alone. `received_through`: when the newest of
    its events came in.
    """

    stream: str
    case_id: str
    first: datetime
    last: datetime
    outcome: str
    closed_at: datetime | None
    value: Decimal | None
    currency: str
    attributes: Mapping[str, str]
    duration_s: float
    waiting_s: float
    working_s: float
    unknown_s: float
    received_through: datetime
    steps: tuple[TimelineStep, ...]
    total_steps: int
    spans: tuple[TimelineSpan, ...]
    total_spans: int
    total_traces: int
    traces_read: int


def case_timeline(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    case_id: str,
    *,
    max_steps: int = MAX_STEPS,
    max_traces: int = MAX_TRACES,
    max_spans: int = MAX_SPANS,
) -> CaseTimeline:
    """The case; raises NotFound when the tenant's stream has none with the id."""
    named = {"tenant": tenant, "stream": stream, "case_id": case_id}
    found = ch.query(load_sql(_ROOM, "case_timeline"), named | {"steps": max_steps}).dicts()
    if not found:
        raise NotFound(f"there is no case {case_id[:200]!r} in the stream {stream[:200]!r}")
    row = found[0]
    traces = ch.query(load_sql(_ROOM, "case_traces"), named | {"limit": max_traces}).dicts()
    spans = _spans(ch, named, [one["trace_id"] for one in traces], max_spans)
    return CaseTimeline(
        stream=stream,
        case_id=case_id,
        first=row["first"],
        last=row["last"],
        outcome=row["outcome"],
        closed_at=row["closed_at"],
        value=row["value"],
        currency=row["currency"],
        attributes=dict(row["attributes"]),
        duration_s=row["duration"] / 1e9,
        waiting_s=row["waiting"] / 1e9,
        working_s=row["working"] / 1e9,
        unknown_s=row["unknown"] / 1e9,
        received_through=row["received_through"],
        steps=tuple(_step(one) for one in row["steps"]),
        total_steps=row["total_steps"],
        spans=tuple(sorted((_span(one) for one in spans), key=lambda one: (one.start, one.trace_id, one.span_id))),
        total_spans=spans[0]["total"] if spans else 0,
        total_traces=traces[0]["total"] if traces else 0,
        traces_read=len(traces),
    )


def _spans(ch: ClickHouse, named: Mapping[str, Any], traces: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """The rows of the spans; the look-up table of traces keeps whole seconds, hence the wider bounds."""
    if not traces:
        return []
    asked = {"tenant": named["tenant"], "traces": list(traces)}
    known, first, last = ch.query(load_sql(_ROOM, "case_trace_range"), asked).rows[0]
    if not known:
        return []
    bounds = {"start": _aware(first) - timedelta(seconds=1), "end": _aware(last) + timedelta(seconds=2)}
    return ch.query(load_sql(_ROOM, "case_spans"), {**named, **asked, **bounds, "limit": limit}).dicts()


def _step(one: Sequence[Any]) -> TimelineStep:
    step, event, started, start, end, waited, worked, unknown, resource, system, actor, rule = one
    return TimelineStep(
        step,
        event,
        _moment(start) if started else None,
        _moment(end),
        waited / 1e9 if started else None,
        worked / 1e9 if started else None,
        None if started else unknown / 1e9,
        resource,
        system,
        actor,
        rule,
    )


def _span(one: Mapping[str, Any]) -> TimelineSpan:
    return TimelineSpan(
        one["trace_id"],
        one["span_id"],
        one["parent_span_id"],
        one["name"],
        one["kind"],
        one["system"],
        one["step"],
        _moment(one["start_ns"]),
        one["duration_ns"] / 1e9,
        bool(one["failed"]),
        one["status_message"],
    )


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)
