"""Good requests that mutations start from: small, with every field that the store keeps."""

from __future__ import annotations

import base64
from random import Random
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from storage import Signal


def attributes(random: Random) -> list[KeyValue]:
    """One of every kind of value."""
    values: list[Any] = [
        AnyValue(string_value="Lübeck"),
        AnyValue(int_value=-7),
        AnyValue(double_value=0.5),
        AnyValue(bool_value=False),
        AnyValue(bytes_value=b"\x00\xff"),
        AnyValue(),
    ]
    if random.random() < 0.3:
        nested = AnyValue()
        nested.array_value.values.extend(values[:3])
        nested.array_value.values.add().kvlist_value.values.add(key="in").value.int_value = 1
        values.append(nested)
    return [KeyValue(key=f"k{index}", value=value) for index, value in enumerate(values)]


def _above(random: Random, resource: Any, scope: Any) -> None:
    resource.resource.attributes.extend(attributes(random))
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    resource.schema_url, scope.schema_url = "https://example.org/1", "https://example.org/2"
    scope.scope.name, scope.scope.version = "library", "1.0"
    scope.scope.attributes.extend(attributes(random)[:2])


def traces(random: Random, now_ns: int, count: int = 3) -> ExportTraceServiceRequest:
    """Spans with events, links and a status."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    scope = resource.scope_spans.add()
    _above(random, resource, scope)
    for index in range(count):
        span = scope.spans.add(
            trace_id=random.randbytes(16), span_id=random.randbytes(8), name=f"step {index}", kind=2, flags=1,
            start_time_unix_nano=now_ns, end_time_unix_nano=now_ns + 5, trace_state="a=b",
            attributes=attributes(random), dropped_attributes_count=1,
        )  # fmt: skip
        span.events.add(name="paid", time_unix_nano=now_ns, attributes=attributes(random)[:2])
        span.links.add(trace_id=random.randbytes(16), span_id=random.randbytes(8), attributes=attributes(random)[:1])
        span.status.code, span.status.message = 2, "late"
    return request


def logs(random: Random, now_ns: int, count: int = 3) -> ExportLogsServiceRequest:
    """Records with a body."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    scope = resource.scope_logs.add()
    _above(random, resource, scope)
    for _ in range(count):
        record = scope.log_records.add(
            time_unix_nano=now_ns, observed_time_unix_nano=now_ns, severity_number=9, severity_text="INFO", flags=1,
            trace_id=random.randbytes(16), span_id=random.randbytes(8), event_name="order.placed",
            attributes=attributes(random),
        )  # fmt: skip
        record.body.CopyFrom(random.choice(attributes(random)).value)
    return request


def metrics(random: Random, now_ns: int, count: int = 2) -> ExportMetricsServiceRequest:
    """Points of all five kinds, with exemplars."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    scope = resource.scope_metrics.add()
    _above(random, resource, scope)
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        metric = scope.metrics.add(name=f"m.{kind}", unit="1", description="a metric")
        data = getattr(metric, kind)
        if kind in ("sum", "histogram", "exponential_histogram"):
            data.aggregation_temporality = 2
        if kind == "sum":
            data.is_monotonic = True
        for index in range(count):
            point = data.data_points.add(time_unix_nano=now_ns, start_time_unix_nano=now_ns - 9)
            point.attributes.extend(attributes(random))
            _fill(point, kind, index)
            if kind != "summary":
                point.exemplars.add(time_unix_nano=now_ns, as_int=3, trace_id=b"t" * 16, span_id=b"s" * 8)
    return request


def _fill(point: Any, kind: str, index: int) -> None:
    match kind:
        case "gauge" | "sum":
            if index:
                point.as_int = -3
            else:
                point.as_double = 0.0
        case "histogram":
            point.count, point.sum, point.min, point.max = 6, 7.5, 0.0, 3.0
            point.bucket_counts.extend([1, 2, 3])
            point.explicit_bounds.extend([0.5, 2.5])
        case "exponential_histogram":
            point.count, point.sum, point.scale, point.zero_count = 7, 9.5, -2, 1
            point.positive.offset, point.negative.offset = -3, 4
            point.positive.bucket_counts.extend([1, 2])
            point.negative.bucket_counts.extend([3])
        case "summary":
            point.count, point.sum = 2, 3.5
            point.quantile_values.add(quantile=0.5, value=1.0)
            point.quantile_values.add(quantile=1.0, value=2.5)


def otlp(signal: Signal, random: Random, now_ns: int) -> Message:
    """A good request of a signal."""
    return {Signal.TRACES: traces, Signal.LOGS: logs, Signal.METRICS: metrics}[signal](random, now_ns)


def as_json(request: Message) -> Any:
    """A request as OTLP's JSON has it: ids in hexadecimal, enumerations as numbers."""
    return _hexed(MessageToDict(request, use_integers_for_enums=True))


def _hexed(document: Any) -> Any:
    if isinstance(document, list):
        return [_hexed(one) for one in document]
    if not isinstance(document, dict):
        return document
    ids = ("traceId", "spanId", "parentSpanId")
    return {key: base64.b64decode(value).hex() if key in ids else _hexed(value) for key, value in document.items()}


def event(random: Random, now: str) -> dict[str, Any]:
    """A CloudEvent of the catalogue."""
    order = f"ORD-{random.randrange(10**9)}"
    return {
        "specversion": "1.0", "id": f"e-{random.randrange(10**12)}", "source": "/shop/web", "subject": order,
        "type": "retail.order.placed", "time": now, "datacontenttype": "application/json",
        "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
        "data": {"order_id": order, "quantity": 2, "amount": "19.90", "currency": "EUR", "lines": [{"sku": "A"}]},
    }  # fmt: skip
