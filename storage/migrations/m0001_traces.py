"""Spans: the OpenTelemetry ClickHouse exporter's columns behind our own, so that Grafana's plugin reads them."""

from __future__ import annotations

from storage.clickhouse.decode import (
    MAP,
    SPANS_IN,
    hexed,
    hexes,
    mappings,
    moment,
    moments,
    named,
    raw_mapping,
    unnested,
)
from storage.migrations.common import (
    CASE_COLUMNS,
    CASE_VALUES,
    SEGMENT_COLUMNS,
    SEGMENT_VALUES,
    TELEMETRY,
    ZSTD,
    partition,
    partition_by_month,
)
from storage.migrations.operations import CreateRawTable, CreateTable, CreateView, Migration

KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
CODES = ("Unset", "Ok", "Error")

COLUMNS = {
    **CASE_COLUMNS,
    "Timestamp": "DateTime64(9) CODEC(Delta(8), ZSTD(1))",
    "TraceId": f"String {ZSTD}",
    "SpanId": f"String {ZSTD}",
    "ParentSpanId": f"String {ZSTD}",
    "TraceState": f"String {ZSTD}",
    "SpanName": f"LowCardinality(String) {ZSTD}",
    "SpanKind": f"LowCardinality(String) {ZSTD}",
    "ServiceName": f"LowCardinality(String) {ZSTD}",
    "ResourceAttributes": f"{MAP} {ZSTD}",
    "ResourceSchemaUrl": f"LowCardinality(String) {ZSTD}",
    "ScopeName": f"LowCardinality(String) {ZSTD}",
    "ScopeVersion": f"LowCardinality(String) {ZSTD}",
    "ScopeAttributes": f"{MAP} {ZSTD}",
    "ScopeSchemaUrl": f"LowCardinality(String) {ZSTD}",
    "SpanAttributes": f"{MAP} {ZSTD}",
    "Duration": f"UInt64 {ZSTD}",
    "StatusCode": f"LowCardinality(String) {ZSTD}",
    "StatusMessage": f"String {ZSTD}",
    "Events.Timestamp": f"Array(DateTime64(9)) {ZSTD}",
    "Events.Name": f"Array(LowCardinality(String)) {ZSTD}",
    "Events.Attributes": f"Array({MAP}) {ZSTD}",
    "Links.TraceId": f"Array(String) {ZSTD}",
    "Links.SpanId": f"Array(String) {ZSTD}",
    "Links.TraceState": f"Array(String) {ZSTD}",
    "Links.Attributes": f"Array({MAP}) {ZSTD}",
    **SEGMENT_COLUMNS,
}

VALUES = {
    **CASE_VALUES("item_attributes"),
    "Timestamp": moment("i.start_time_unix_nano"),
    "TraceId": hexed("i.trace_id"),
    "SpanId": hexed("i.span_id"),
    "ParentSpanId": hexed("i.parent_span_id"),
    "TraceState": "i.trace_state",
    "SpanName": "i.name",
    "SpanKind": named("i.kind", KINDS),
    "ServiceName": "resource_attributes['service.name']",
    "ResourceAttributes": "resource_attributes",
    "ResourceSchemaUrl": "resource_schema",
    "ScopeName": "scope_name",
    "ScopeVersion": "scope_version",
    "ScopeAttributes": "scope_attributes",
    "ScopeSchemaUrl": "scope_schema",
    "SpanAttributes": "item_attributes",
    "Duration": "if(i.end_time_unix_nano > i.start_time_unix_nano, i.end_time_unix_nano - i.start_time_unix_nano, 0)",
    "StatusCode": named("i.status.code", CODES),
    "StatusMessage": "i.status.message",
    "Events.Timestamp": moments("i.events.time_unix_nano"),
    "Events.Name": "i.events.name",
    "Events.Attributes": mappings("i.events.attributes"),
    "Links.TraceId": hexes("i.links.trace_id"),
    "Links.SpanId": hexes("i.links.span_id"),
    "Links.TraceState": "i.links.trace_state",
    "Links.Attributes": mappings("i.links.attributes"),
    **SEGMENT_VALUES,
}

MIGRATION = Migration(
    1,
    "traces",
    "spans, and where in time each trace is",
    (
        CreateRawTable("traces_in", SPANS_IN, "Null"),
        CreateTable(
            "otel_traces",
            COLUMNS,
            "MergeTree",
            order_by="(TenantId, ServiceName, SpanName, toDateTime(Timestamp))",
            partition_by=partition("Timestamp"),
            indexes=(
                "idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
                "idx_case_id CaseId TYPE bloom_filter(0.01) GRANULARITY 1",
                "idx_segment SegmentId TYPE minmax GRANULARITY 1",
                "idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1",
                "idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1",
                "idx_duration Duration TYPE minmax GRANULARITY 1",
            ),
            settings=TELEMETRY,
        ),
        CreateTable(
            "otel_traces_trace_id_ts",
            {
                "TenantId": "LowCardinality(String)",
                "TraceId": f"String {ZSTD}",
                "Start": "DateTime CODEC(Delta, ZSTD(1))",
                "End": "DateTime CODEC(Delta, ZSTD(1))",
            },
            "MergeTree",
            order_by="(TenantId, TraceId, Start)",
            partition_by=partition_by_month("Start"),
            settings=TELEMETRY,
        ),
        CreateView(
            "otel_traces_trace_id_ts_mv",
            "otel_traces_trace_id_ts",
            "SELECT TenantId, TraceId, min(toDateTime(Timestamp)) AS Start,\n"
            "  max(toDateTime(addNanoseconds(Timestamp, toInt64(least(Duration, 86400000000000))))) AS End\n"
            "FROM otel_traces WHERE TraceId != '' GROUP BY TenantId, TraceId",
        ),
        CreateView(
            "traces_in_mv",
            "otel_traces",
            unnested("traces_in", "resource_spans", "scope_spans", "spans", "i", VALUES, raw_mapping("i.attributes")),
        ),
    ),
)
