"""Log records, and the business events among them as the steps of cases.

A business event is a record with an event name, a value stream and a case id; it becomes a row of `process_events`,
whose key makes a repeated event one row after merging, and under FINAL at once.
"""

from __future__ import annotations

from storage.clickhouse.any_value import text
from storage.clickhouse.decode import LOGS_IN, MAP, hexed, moment, raw_mapping, unnested
from storage.migrations.common import (
    CASE_COLUMNS,
    CASE_VALUES,
    DEDUPLICATION,
    SEGMENT_COLUMNS,
    SEGMENT_VALUES,
    TELEMETRY,
    ZSTD,
    partition,
    partition_by_month,
    partition_by_year,
)
from storage.migrations.operations import CreateRawTable, CreateTable, CreateView, Migration

COLUMNS = {
    **CASE_COLUMNS,
    "Timestamp": "DateTime64(9) CODEC(Delta(8), ZSTD(1))",
    "TimestampTime": "DateTime ALIAS toDateTime(Timestamp)",
    "TraceId": f"String {ZSTD}",
    "SpanId": f"String {ZSTD}",
    "TraceFlags": f"UInt32 {ZSTD}",
    "SeverityText": f"LowCardinality(String) {ZSTD}",
    "SeverityNumber": f"Int32 {ZSTD}",
    "ServiceName": f"LowCardinality(String) {ZSTD}",
    "Body": f"String {ZSTD}",
    "ResourceSchemaUrl": f"LowCardinality(String) {ZSTD}",
    "ResourceAttributes": f"{MAP} {ZSTD}",
    "ScopeSchemaUrl": f"LowCardinality(String) {ZSTD}",
    "ScopeName": f"LowCardinality(String) {ZSTD}",
    "ScopeVersion": f"LowCardinality(String) {ZSTD}",
    "ScopeAttributes": f"{MAP} {ZSTD}",
    "LogAttributes": f"{MAP} {ZSTD}",
    "EventName": f"LowCardinality(String) {ZSTD}",
    **SEGMENT_COLUMNS,
}

VALUES = {
    **CASE_VALUES("item_attributes"),
    "Timestamp": moment("if(i.time_unix_nano != 0, i.time_unix_nano, i.observed_time_unix_nano)"),
    "TraceId": hexed("i.trace_id"),
    "SpanId": hexed("i.span_id"),
    "TraceFlags": "i.flags",
    "SeverityText": "i.severity_text",
    "SeverityNumber": "i.severity_number",
    "ServiceName": "resource_attributes['service.name']",
    "Body": text("i.body"),
    "ResourceSchemaUrl": "resource_schema",
    "ResourceAttributes": "resource_attributes",
    "ScopeSchemaUrl": "scope_schema",
    "ScopeName": "scope_name",
    "ScopeVersion": "scope_version",
    "ScopeAttributes": "scope_attributes",
    "LogAttributes": "item_attributes",
    "EventName": "i.event_name",
    **SEGMENT_VALUES,
}

EVENT_COLUMNS = {
    "TenantId": "LowCardinality(String)",
    "Stream": f"LowCardinality(String) {ZSTD}",
    "CaseId": f"String {ZSTD}",
    "Timestamp": "DateTime64(9) CODEC(Delta(8), ZSTD(1))",
    "Seq": f"UInt64 {ZSTD}",
    "EventId": f"String {ZSTD}",
    "Step": f"LowCardinality(String) {ZSTD}",
    "EventName": f"LowCardinality(String) {ZSTD}",
    "StartTime": f"Nullable(DateTime64(9)) {ZSTD}",
    "Resource": f"LowCardinality(String) {ZSTD}",
    "System": f"LowCardinality(String) {ZSTD}",
    "ActorType": f"LowCardinality(String) {ZSTD}",
    "Quantity": f"Nullable(Float64) {ZSTD}",
    "Amount": f"Nullable(Decimal(18, 4)) {ZSTD}",
    "Currency": f"LowCardinality(String) {ZSTD}",
    "CaseRule": f"LowCardinality(String) {ZSTD}",
    "TraceId": f"String {ZSTD}",
    "SpanId": f"String {ZSTD}",
    "Attributes": f"{MAP} {ZSTD}",
    **SEGMENT_COLUMNS,
}

EVENTS = """SELECT
  TenantId, Stream, CaseId, Timestamp,
  toUInt64OrZero(LogAttributes['retail.seq']) AS Seq,
  if(LogAttributes['retail.event.id'] != '', LogAttributes['retail.event.id'],
    lower(hex(sipHash128(Timestamp, TraceId, SpanId, EventName, Body, ServiceName, LogAttributes)))) AS EventId,
  if(Step != '', Step, EventName) AS Step,
  EventName,
  if(match(LogAttributes['retail.step.start'], '^[0-9]{1,19}$'),
    fromUnixTimestamp64Nano(toInt64OrNull(LogAttributes['retail.step.start'])),
    parseDateTime64BestEffortOrNull(LogAttributes['retail.step.start'], 9, 'UTC')) AS StartTime,
  LogAttributes['retail.resource'] AS Resource,
  ServiceName AS System,
  Actor AS ActorType,
  toFloat64OrNull(LogAttributes['retail.quantity']) AS Quantity,
  toDecimal64OrNull(LogAttributes['retail.amount'], 4) AS Amount,
  LogAttributes['retail.currency'] AS Currency,
  'business_key' AS CaseRule,
  TraceId, SpanId, LogAttributes AS Attributes, ReceivedAt, SegmentId
FROM otel_logs
WHERE EventName != '' AND Stream != '' AND CaseId != ''"""

INDEX_COLUMNS = {
    "TenantId": "LowCardinality(String)",
    "Stream": "LowCardinality(String)",
    "CaseId": f"String {ZSTD}",
    "TraceId": f"String {ZSTD}",
    "First": f"SimpleAggregateFunction(min, DateTime64(9)) {ZSTD}",
    "Last": f"SimpleAggregateFunction(max, DateTime64(9)) {ZSTD}",
}


def case_index(table: str) -> str:
    """Which traces a case has, and when; the table's engine aggregates what an insert brings (`optimize_on_insert`)."""
    return (
        "SELECT TenantId, Stream, CaseId, TraceId, Timestamp AS First, Timestamp AS Last\n"
        f"FROM {table} WHERE Stream != '' AND CaseId != ''"
    )


MIGRATION = Migration(
    2,
    "logs",
    "log records, business events as steps of cases, and which traces a case has",
    (
        CreateRawTable("logs_in", LOGS_IN, "Null"),
        CreateTable(
            "otel_logs",
            COLUMNS,
            "MergeTree",
            order_by="(TenantId, ServiceName, toDateTime(Timestamp), Timestamp)",
            partition_by=partition("Timestamp"),
            indexes=(
                "idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
                "idx_case_id CaseId TYPE bloom_filter(0.01) GRANULARITY 1",
                "idx_segment SegmentId TYPE minmax GRANULARITY 1",
                "idx_event EventName TYPE set(100) GRANULARITY 4",
                "idx_log_attr_key mapKeys(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1",
                "idx_log_attr_value mapValues(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1",
                "idx_body Body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8",
            ),
            settings=TELEMETRY,
        ),
        CreateTable(
            "process_events",
            EVENT_COLUMNS,
            "ReplacingMergeTree",
            order_by="(TenantId, Stream, CaseId, Timestamp, Seq, EventId)",
            partition_by=partition_by_year("Timestamp"),
            indexes=(
                "idx_time Timestamp TYPE minmax GRANULARITY 1",
                "idx_received ReceivedAt TYPE minmax GRANULARITY 1",
                "idx_event EventName TYPE set(100) GRANULARITY 1",
            ),
            settings=DEDUPLICATION,
        ),
        CreateTable(
            "case_index",
            INDEX_COLUMNS,
            "AggregatingMergeTree",
            order_by="(TenantId, Stream, CaseId, TraceId)",
            partition_by=partition_by_month("First"),
            settings=TELEMETRY,
        ),
        CreateView("process_events_mv", "process_events", EVENTS),
        CreateView("case_index_logs_mv", "case_index", case_index("otel_logs")),
        CreateView("case_index_traces_mv", "case_index", case_index("otel_traces")),
        CreateView(
            "logs_in_mv",
            "otel_logs",
            unnested("logs_in", "resource_logs", "scope_logs", "log_records", "i", VALUES, raw_mapping("i.attributes")),
        ),
    ),
)
