"""Admission: what a caller sent, checked and made ready for the log. Pure; nothing here waits or writes.

A body that cannot be decoded is refused whole. Spans with impossible ids are taken out and counted, their neighbours
go in. Lists and maps in attributes become JSON text. A protobuf body that needs none of this is stored byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from google.protobuf.message import DecodeError

from collector import otlp_json
from collector.nested_values import serialize_flat
from collector.otlp_types import REQUESTS
from core import InvalidInput
from storage import Signal

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
BAD_TRACE_ID, BAD_SPAN_ID = "trace_id must be 16 bytes and not all zero", "span_id must be 8 bytes and not all zero"


class Encoding(StrEnum):
    """How a request's body is written; the value is its media type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Admitted:
    """`payload`: serialized OTLP with `items` spans, log records or metric points; `rejected` items were taken out."""

    payload: bytes
    items: int
    rejected: int = 0
    reason: str = ""


def admit(signal: Signal, encoding: Encoding, body: bytes) -> Admitted:
    """Checks a request. Raises InvalidInput when it cannot be decoded."""
    request: Any = REQUESTS[signal]()
    changed = encoding is Encoding.JSON
    if changed:
        otlp_json.parse(body, request)
    else:
        try:
            request.MergeFromString(body)
        except DecodeError as problem:
            raise InvalidInput(f"the body is no serialized OTLP request for {signal}: {problem}") from None
    items, reasons = _COUNTERS[signal](request)
    rejected = sum(reasons.values())
    if not items:
        return Admitted(b"", 0, rejected, _explain(items, reasons))
    try:
        flat = serialize_flat(request)
    except DecodeError as problem:
        raise InvalidInput(f"a list or map in an attribute is malformed: {problem}") from None
    if flat is None:
        flat = bytes(request.SerializeToString()) if changed or rejected else body
    return Admitted(flat, items, rejected, _explain(items, reasons))


def _explain(kept: int, reasons: Counter[str]) -> str:
    if not reasons:
        return ""
    total = kept + sum(reasons.values())
    causes = "; ".join(f"{count} because {reason}" for reason, count in sorted(reasons.items()))
    return f"{sum(reasons.values())} of {total} spans were rejected: {causes}"


def _spans(request: Any) -> tuple[int, Counter[str]]:
    """Takes out spans with impossible ids, which no trace could ever be found by."""
    items, reasons = 0, Counter[str]()
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            spans, bad = scope.spans, list[int]()
            for index, span in enumerate(spans):
                trace_id, span_id = span.trace_id, span.span_id
                if len(trace_id) != 16 or trace_id == _NO_TRACE:
                    reasons[BAD_TRACE_ID] += 1
                    bad.append(index)
                elif len(span_id) != 8 or span_id == _NO_SPAN:
                    reasons[BAD_SPAN_ID] += 1
                    bad.append(index)
            if bad:
                _remove(spans, bad)
            items += len(spans)
    return items, reasons


def _remove(items: Any, indexes: list[int]) -> None:
    """Deletes run after run, from the end, so that a batch of nothing but bad spans costs no more than a good one."""
    end = len(indexes)
    while end:
        start = end - 1
        while start and indexes[start - 1] == indexes[start] - 1:
            start -= 1
        del items[indexes[start] : indexes[end - 1] + 1]
        end = start


def _log_records(request: Any) -> tuple[int, Counter[str]]:
    return sum(len(scope.log_records) for one in request.resource_logs for scope in one.scope_logs), Counter()


def _points(request: Any) -> tuple[int, Counter[str]]:
    items = 0
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind is not None:
                    items += len(getattr(metric, kind).data_points)
    return items, Counter()


_COUNTERS: dict[Signal, Callable[[Any], tuple[int, Counter[str]]]] = {
    Signal.TRACES: _spans,
    Signal.LOGS: _log_records,
    Signal.METRICS: _points,
}
