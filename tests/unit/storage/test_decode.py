"""The engine decodes OTLP: every kind of value, every level, and repeated tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from core import QueryRejected, StorageError
from storage import ClickHouse, SegmentMeta, Signal
from storage.clickhouse.otlp_schema import segment_fields

NOW = 1_772_442_000_123_456_789
VALUES = {
    "text": (AnyValue(string_value="x"), "x"),
    "empty": (AnyValue(string_value=""), ""),
    "yes": (AnyValue(bool_value=True), "true"),
    "no": (AnyValue(bool_value=False), "false"),
    "zero": (AnyValue(int_value=0), "0"),
    "least": (AnyValue(int_value=-(2**63)), str(-(2**63))),
    "nothing": (AnyValue(double_value=0.0), "0"),
    "minus": (AnyValue(double_value=-0.0), "-0"),
    "third": (AnyValue(double_value=1 / 3), "0.3333333333333333"),
    "bytes": (AnyValue(bytes_value=b"\x00\xff"), "AP8="),
    "unset": (AnyValue(), ""),
}


def traces(count: int = 1, name: str = "step") -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="shop")))
    scope = resource.scope_spans.add()
    for index in range(count):
        span = scope.spans.add(name=name, kind=2, start_time_unix_nano=NOW + index, end_time_unix_nano=NOW + 5 + index)
        span.trace_id, span.span_id = index.to_bytes(16, "big"), (index + 1).to_bytes(8, "big")
    return request


def test_every_kind_of_value_keeps_its_text(clickhouse: ClickHouse, tenant: str) -> None:
    """Presence matters: a zero, a false and an empty text are values."""
    request = traces()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(KeyValue(key=key, value=value) for key, (value, _) in VALUES.items())
    event = span.events.add(name="e", time_unix_nano=NOW)
    event.attributes.extend(KeyValue(key=key, value=value) for key, (value, _) in VALUES.items())
    clickhouse.insert_otlp(Signal.TRACES, request.SerializeToString(), SegmentMeta(tenant, 1, NOW))
    sql = "SELECT SpanAttributes, Events.Attributes[1] FROM otel_traces WHERE TenantId = {tenant:String}"
    wanted = {key: text for key, (_, text) in VALUES.items()}
    assert clickhouse.query(sql, {"tenant": tenant}).rows == [(wanted, wanted)]


def test_tenant_and_segment_come_from_the_product_not_from_the_bytes(clickhouse: ClickHouse, tenant: str) -> None:
    """Fields of our own that a client puts into its request are overruled: the last value wins."""
    forged = SegmentMeta("somebody-else", 99, 1)
    payload = traces().SerializeToString() + segment_fields(forged)
    clickhouse.insert_otlp(Signal.TRACES, payload, SegmentMeta(tenant, 2, NOW))
    sql = (
        "SELECT TenantId, SegmentId, toUnixTimestamp64Nano(ReceivedAt) AS received"
        " FROM otel_traces WHERE TenantId IN {t:Array(String)}"
    )
    assert clickhouse.query(sql, {"t": [tenant, "somebody-else", ""]}).rows == [(tenant, 2, NOW)]


def test_concatenated_requests_are_one_insert(clickhouse: ClickHouse, tenant: str) -> None:
    payload = b"".join(traces(3, name).SerializeToString() for name in ("a", "b"))
    clickhouse.insert_otlp(Signal.TRACES, payload, SegmentMeta(tenant, 3, NOW))
    sql = "SELECT SpanName, count() FROM otel_traces WHERE TenantId = {t:String} GROUP BY ALL ORDER BY ALL"
    assert clickhouse.query(sql, {"t": tenant}).rows == [("a", 3), ("b", 3)]


def test_a_repeated_token_stores_nothing_in_any_table(clickhouse: ClickHouse, tenant: str) -> None:
    """The table and the trace look-up deduplicate; the next segment is stored whole. The case index aggregates."""
    request = traces(4)
    for span in request.resource_spans[0].scope_spans[0].spans:
        for key, value in (("retail.stream", "order-to-cash"), ("retail.case.id", "SO-1")):
            span.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
    for segment in (4, 4, 5):
        clickhouse.insert_otlp(Signal.TRACES, request.SerializeToString(), SegmentMeta(tenant, segment, NOW))
    index = "SELECT uniqExact(TraceId) FROM case_index WHERE TenantId = {t:String} AND CaseId = 'SO-1'"
    assert clickhouse.query(index, {"t": tenant}).scalar() == 4
    for table, rows in {"otel_traces": 8, "otel_traces_trace_id_ts": 8}.items():
        sql = f"SELECT count() FROM {table} WHERE TenantId = {{t:String}}"
        assert (table, clickhouse.query(sql, {"t": tenant}).scalar()) == (table, rows)


def test_spans_of_many_days_go_in_with_one_insert(clickhouse: ClickHouse, tenant: str) -> None:
    """Old and far future times are gathered by year, so that one insert cannot open hundreds of partitions."""
    request = traces(400)
    for index, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
        span.start_time_unix_nano = NOW - (index - 100) * 86_400 * 10**9
    span.start_time_unix_nano = 2**64 - 1
    clickhouse.insert_otlp(Signal.TRACES, request.SerializeToString(), SegmentMeta(tenant, 6, NOW))
    sql = "SELECT count(), uniq(_partition_id) < 60 FROM otel_traces WHERE TenantId = {t:String}"
    assert clickhouse.query(sql, {"t": tenant}).rows == [(400, True)]


@pytest.mark.parametrize("number", ["as_int", "as_double"])
def test_a_point_of_zero_is_a_value(clickhouse: ClickHouse, tenant: str, number: str) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="retail.queue.depth")
    point = metric.gauge.data_points.add(time_unix_nano=NOW)
    setattr(point, number, 0)
    metric.gauge.data_points.add(time_unix_nano=NOW, as_int=-3)
    clickhouse.insert_otlp(Signal.METRICS, request.SerializeToString(), SegmentMeta(tenant, 7, NOW))
    sql = "SELECT Value FROM otel_metrics_gauge WHERE TenantId = {t:String} ORDER BY Value"
    assert clickhouse.query(sql, {"t": tenant}).rows == [(-3.0,), (0.0,)]
    others = "SELECT count() FROM otel_metrics_sum WHERE TenantId = {t:String}"
    assert clickhouse.query(others, {"t": tenant}).scalar() == 0


def test_a_business_event_becomes_a_step_of_its_case_once(clickhouse: ClickHouse, tenant: str) -> None:
    """A record with stream, case and event name is an event; sent again with its id it changes nothing."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(event_name="retail.order.placed")
    record.observed_time_unix_nano = NOW
    facts = {
        "retail.stream": "order-to-cash",
        "retail.case.id": "SO-1",
        "retail.event.id": "e-1",
        "retail.amount": "12.50",
        "retail.quantity": "3",
        "retail.step.start": str(NOW - 10**9),
    }
    record.attributes.extend(KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in facts.items())
    request.resource_logs[0].scope_logs[0].log_records.add(body=AnyValue(string_value="no event"), time_unix_nano=NOW)
    for segment in (8, 9):
        clickhouse.insert_otlp(Signal.LOGS, request.SerializeToString(), SegmentMeta(tenant, segment, NOW))
    sql = (
        "SELECT CaseId, Step, toString(Amount), Quantity, toUnixTimestamp64Nano(StartTime),"
        " toUnixTimestamp64Nano(Timestamp) FROM process_events FINAL WHERE TenantId = {t:String}"
    )
    assert clickhouse.query(sql, {"t": tenant}).rows == [("SO-1", "retail.order.placed", "12.5", 3.0, NOW - 10**9, NOW)]
    assert clickhouse.query("SELECT count() FROM otel_logs WHERE TenantId = {t:String}", {"t": tenant}).scalar() == 4


def test_undecodable_bytes_are_an_error_of_ours_without_sql(clickhouse: ClickHouse, tenant: str) -> None:
    with pytest.raises(StorageError) as caught:
        clickhouse.insert_otlp(Signal.TRACES, b"\xff\xff\xff\xff", SegmentMeta(tenant, 10, NOW))
    assert "INSERT" not in str(caught.value)


def test_a_wrong_statement_is_rejected_with_the_reason_alone(clickhouse: ClickHouse) -> None:
    with pytest.raises(QueryRejected, match="nowhere") as caught:
        clickhouse.query("SELECT nowhere FROM otel_traces WHERE TenantId = 'secret-tenant'")
    assert "secret-tenant" not in json.dumps(str(caught.value))


def test_inserts_leave_nothing_in_the_current_directory(
    clickhouse: ClickHouse, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service may run where it cannot write."""
    monkeypatch.chdir(tmp_path)
    clickhouse.insert_otlp(Signal.TRACES, traces().SerializeToString(), SegmentMeta(tenant, 11, NOW))
    assert list(tmp_path.iterdir()) == []
