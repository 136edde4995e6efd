"""OTLP requests as a retailer's services send them, made fresh by patching bytes: random ids, every item unique.

A request is built once with recognisable ids; before each sending numpy overwrites them at their known offsets, which
costs the load generator some 0.1 µs an item. Ids that repeated or began alike would compress better than real ones do.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SIGNALS = ("traces", "logs", "metrics")
SERVICE, SCOPE = "order-management", "bench"
METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
CASE_DIGITS = 9
DAY_NS = 86_400 * 10**9
LANE_NS = 1 << 36
"""Between the times of two templates: room for a thousand million points."""


@dataclass(frozen=True)
class Patch:
    """Where one kind of value stands: `offsets` of every place, and which of `kinds` values each place gets."""

    offsets: np.ndarray
    index: np.ndarray
    width: int
    kinds: int


class Request:
    """One request; `fresh` gives it new ids."""

    def __init__(
        self, signal: str, items: int, per_trace: int, seed: int, *, run: int = 0, epoch_ns: int | None = None
    ) -> None:
        """`run` (below 64) and `seed` keep apart the times of metric points that count from the same `epoch_ns`."""
        build: Callable[[int, int], tuple[bytes, list[tuple[str, list[bytes], list[int]]]]] = {
            "traces": _traces, "logs": _logs, "metrics": _metrics}[signal]  # fmt: skip
        body, places = build(items, per_trace)
        self.size = len(body)
        self._body = np.frombuffer(body, np.uint8)
        self._random = np.random.default_rng(seed)
        self._next = np.uint64((epoch_ns or time.time_ns()) // 64 * 64 + run - seed * LANE_NS)
        self._patches: dict[str, Patch] = {}
        for kind, marks, index in places:
            offsets = _find(body, marks)
            self._patches[kind] = Patch(offsets, np.array(index), len(marks[0]), max(index) + 1)

    def reseed(self, seed: int) -> None:
        """Starts another row of random ids."""
        self._random = np.random.default_rng(seed)

    def fresh(self) -> bytes:
        """The request's bytes, with values that no other request has."""
        body = self._body.copy()
        made: dict[str, np.ndarray] = {}
        for kind, patch in self._patches.items():
            if kind == "parent":
                values = made["span"]
            elif kind == "case":
                values = self._random.integers(48, 58, (patch.kinds, patch.width), np.uint8)
            elif kind == "time":
                times = self._next + np.arange(patch.kinds, dtype="<u8") * np.uint64(64)
                self._next += np.uint64(64 * patch.kinds)
                values = times.view(np.uint8).reshape(-1, 8)
            else:
                values = self._random.integers(0, 256, (patch.kinds, patch.width), np.uint8)
            made[kind] = values
            body[patch.offsets[:, None] + np.arange(patch.width)] = values[patch.index]
        return body.tobytes()


def _find(body: bytes, marks: list[bytes]) -> np.ndarray:
    found, at = [], 0
    for mark in marks:
        at = body.index(mark, at)
        found.append(at)
        at += 1
    return np.array(found)


def _mark(kind: int, number: int, width: int) -> bytes:
    """Bytes that stand nowhere else."""
    return bytes([0xF0 + kind]) * (width - 4) + struct.pack(">I", 0x80000000 | number)


def _resource(resource) -> None:  # type: ignore[no-untyped-def]
    for key, value in (
        ("service.name", SERVICE), ("service.version", "4.2.0"), ("service.namespace", "retail"),
        ("host.name", "om-3"), ("deployment.environment.name", "production"),
    ):  # fmt: skip
        resource.attributes.add(key=key).value.string_value = value


def _attributes(item, number: int, case: str) -> None:  # type: ignore[no-untyped-def]
    """Ten, of which seven are texts."""
    texts = {
        "http.request.method": "POST",
        "http.route": f"/orders/{{id}}/{number % 7}",
        "server.address": "warehouse.internal",
        "retail.stream": "order-to-cash",
        "retail.case.id": f"SO-{case}",
        "retail.step": ("allocate", "pick", "pack", "ship")[number % 4],
        "retail.location.id": f"WH-{number % 12}",
    }
    numbers = {"http.response.status_code": 200 + number % 2, "retail.quantity": 1 + number % 9, "retail.seq": number}
    for key, value in texts.items():
        item.attributes.add(key=key).value.string_value = value
    for key, amount in numbers.items():
        item.attributes.add(key=key).value.int_value = amount


def _case(number: int) -> str:
    return f"@{number:0{CASE_DIGITS - 1}d}"


def _traces(items: int, per_trace: int):  # type: ignore[no-untyped-def]
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _resource(resource.resource)
    scope = resource.scope_spans.add()
    scope.scope.name, scope.scope.version = SCOPE, "1.0"
    now = time.time_ns()
    children = [number for number in range(items) if number % per_trace]
    for number in range(items):
        trace = number // per_trace
        span = scope.spans.add(
            trace_id=_mark(1, trace, 16),
            span_id=_mark(2, number, 8),
            name=("POST /orders", "allocate", "reserve stock", "POST /shipments")[number % 4],
            kind=1 + number % 5,
            start_time_unix_nano=now + number * 1_000,
            end_time_unix_nano=now + number * 1_000 + 1_000_000 + number * 7_919 % 10**8,
        )
        if number % per_trace:
            span.parent_span_id = _mark(3, number, 8)
        _attributes(span, number, _case(trace))
        span.status.code = 2 if number % 50 == 0 else 0
    traces = [number // per_trace for number in range(items)]
    places = [
        ("trace", [_mark(1, trace, 16) for trace in traces], traces),
        ("span", [_mark(2, number, 8) for number in range(items)], list(range(items))),
        ("case", [_case(trace).encode() for trace in traces], traces),
    ]
    if children:
        roots = [number // per_trace * per_trace for number in children]
        places.append(("parent", [_mark(3, number, 8) for number in children], roots))
    return request.SerializeToString(), places


def _logs(items: int, per_trace: int):  # type: ignore[no-untyped-def]
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    _resource(resource.resource)
    scope = resource.scope_logs.add()
    scope.scope.name, scope.scope.version = SCOPE, "1.0"
    now = time.time_ns()
    traces = [number // per_trace for number in range(items)]
    for number, trace in enumerate(traces):
        record = scope.log_records.add(
            time_unix_nano=now + number * 1_000,
            observed_time_unix_nano=now + number * 1_000 + 500,
            severity_number=(9, 9, 9, 13)[number % 4],
            severity_text=("INFO", "INFO", "INFO", "WARN")[number % 4],
            trace_id=_mark(1, trace, 16),
            span_id=_mark(2, number, 8),
        )
        record.body.string_value = f"reserved {1 + number % 9} of SKU-{number * 7 % 5000} in WH-{number % 12}"
        _attributes(record, number, _case(trace))
    return request.SerializeToString(), [
        ("trace", [_mark(1, trace, 16) for trace in traces], traces),
        ("span", [_mark(2, number, 8) for number in range(items)], list(range(items))),
        ("case", [_case(trace).encode() for trace in traces], traces),
    ]


def _metrics(items: int, per_trace: int):  # type: ignore[no-untyped-def]
    """Half gauge points, half sum points; an item is a point, and its time in nanoseconds makes it unique."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    _resource(resource.resource)
    scope = resource.scope_metrics.add()
    scope.scope.name, scope.scope.version = SCOPE, "1.0"
    depth = scope.metrics.add(name="retail.queue.depth", description="Messages that wait", unit="{message}")
    served = scope.metrics.add(name="http.server.requests", description="Requests served", unit="{request}")
    served.sum.aggregation_temporality, served.sum.is_monotonic = 2, True
    start = time.time_ns() - DAY_NS  # before every template's lane of times
    for number in range(items):
        points = depth.gauge.data_points if number < items // 2 else served.sum.data_points
        point = points.add(start_time_unix_nano=start, time_unix_nano=int.from_bytes(_mark(4, number, 8), "little"))
        if number < items // 2:
            point.as_int = number % 500
        else:
            point.as_double = number * 1.5
        for key, value in (
            ("messaging.system", "rabbitmq"), ("messaging.destination.name", f"orders-{number % 40}"),
            ("server.address", "warehouse.internal"), ("retail.location.id", f"WH-{number % 12}"),
            ("http.route", f"/orders/{{id}}/{number % 7}"),
        ):  # fmt: skip
            point.attributes.add(key=key).value.string_value = value
    return request.SerializeToString(), [("time", [_mark(4, number, 8) for number in range(items)], list(range(items)))]
