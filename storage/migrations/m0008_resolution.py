"""Whose case a span or an event belongs to, where it does not say so itself; and events as the objects see them.

Such a case is a conclusion, and a late span may change it. `process_events` has no versions, so nothing could be taken
back from it: conclusions live in `resolved_steps`, which has its columns, a version and a mark of withdrawal. What was
concluded for each item of a trace stands in `resolved_items`, by trace, so that a trace can be looked at again and only
what changed is written. Both are written by a job (docs/process-cases.md), not while data come in.

`trace_arrivals` tells the job which segments brought spans and events, and of which five minutes: one row for each,
however many spans. It is a note of three days; `resolution_marks` says how far the job has come. `trace_links` finds
the traces that point to one. The tables `resolving_*_in` hold the few traces that are being looked at, and nothing
else; the ending keeps them from being queried, as it does those through which telemetry comes in.

`object_events` has the events of the objects whose type has been asked for as a process of its own
(`flattened_streams`; `Whole` once the past has been taken in); their cases are those of the stream `stream/type`.
"""

from __future__ import annotations

from storage.migrations.common import (
    DEDUPLICATION,
    SEGMENT_COLUMNS,
    ZSTD,
    partition_by_month,
    partition_by_year,
)
from storage.migrations.m0002_logs import EVENT_COLUMNS
from storage.migrations.m0006_object_centric import CHANGED
from storage.migrations.operations import CreateRawTable, CreateTable, CreateView, Migration

MAP = "Map(LowCardinality(String), String)"

ARRIVALS = {
    "TenantId": "LowCardinality(String)",
    "Signal": "LowCardinality(String)",
    "SegmentId": "UInt64 CODEC(Delta(8), ZSTD(1))",
    "Bucket": f"Int64 {ZSTD}",
    "Items": f"UInt64 {ZSTD}",
    "InsertedAt": "DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1))",
}

BUCKET_S = 300
"""Seconds of data time in a bucket of `trace_arrivals`; its number is that of the bucket since the Unix epoch."""

LINKS = {
    "TenantId": "LowCardinality(String)",
    "ToTrace": f"String {ZSTD}",
    "FromTrace": f"String {ZSTD}",
    "Start": f"DateTime64(9) {ZSTD}",
}

ITEMS = {
    "TenantId": "LowCardinality(String)",
    "TraceId": f"String {ZSTD}",
    "EventId": f"String {ZSTD}",
    "Stream": f"LowCardinality(String) {ZSTD}",
    "CaseId": f"String {ZSTD}",
    "Timestamp": f"DateTime64(9) {ZSTD}",
    "Content": f"UInt64 {ZSTD}",
    "Version": f"UInt64 {ZSTD}",
}

STEPS = {
    **EVENT_COLUMNS,
    "Destination": f"LowCardinality(String) {ZSTD}",
    "QueueWaits": f"Array(Int64) {ZSTD}",
    "Version": f"UInt64 {ZSTD}",
    "Deleted": f"UInt8 {ZSTD}",
}

MARKS = {
    "TenantId": "LowCardinality(String)",
    "Model": "UInt64",
    "Through": "DateTime64(3, 'UTC')",
    "Version": "UInt64",
}

FLATTENED = {
    "TenantId": "LowCardinality(String)",
    "Stream": "LowCardinality(String)",
    "ObjectType": "LowCardinality(String)",
    "Whole": "UInt8",
}

OBJECT_EVENTS = {
    "TenantId": "LowCardinality(String)",
    "Stream": f"LowCardinality(String) {ZSTD}",
    "ObjectType": f"LowCardinality(String) {ZSTD}",
    "ObjectId": f"String {ZSTD}",
    **{
        name: kind
        for name, kind in EVENT_COLUMNS.items()
        if name not in ("TenantId", "Stream", "CaseId", "Quantity", "CaseRule", "TraceId", "SpanId", *SEGMENT_COLUMNS)
    },
    **SEGMENT_COLUMNS,
}

_LISTED = "Array(Tuple(type String, id String, qualifier String))"
_NOT_OBJECTS = "('retail.case.id', 'retail.event.id', 'retail.event.origin.id', 'retail.object.id')"

FLATTEN = f"""SELECT
  TenantId, Stream, touched.1 AS ObjectType, touched.2 AS ObjectId, Timestamp, Seq, EventId, Step, EventName, StartTime,
  Resource, System, ActorType, Amount, Currency, Attributes, ReceivedAt, SegmentId
FROM
(
  SELECT
    TenantId, Stream, Timestamp, EventName, ReceivedAt, SegmentId, ServiceName AS System, Actor AS ActorType,
    if(otel_logs.Step != '', otel_logs.Step, EventName) AS Step, LogAttributes AS Attributes,
    toUInt64OrZero(LogAttributes['retail.seq']) AS Seq,
    multiIf(LogAttributes['retail.event.origin.id'] != '', LogAttributes['retail.event.origin.id'],
      LogAttributes['retail.event.id'] != '', LogAttributes['retail.event.id'],
      lower(hex(sipHash128(Timestamp, TraceId, SpanId, EventName, Body, ServiceName, LogAttributes)))) AS EventId,
    if(match(LogAttributes['retail.step.start'], '^[0-9]{{1,19}}$'),
      fromUnixTimestamp64Nano(toInt64OrNull(LogAttributes['retail.step.start'])),
      parseDateTime64BestEffortOrNull(LogAttributes['retail.step.start'], 9, 'UTC')) AS StartTime,
    LogAttributes['retail.resource'] AS Resource,
    toDecimal64OrNull(LogAttributes['retail.amount'], 4) AS Amount,
    LogAttributes['retail.currency'] AS Currency,
    arrayFilter(key -> (endsWith(key, '.id') AND startsWith(key, 'retail.') OR key = 'retail.sku')
      AND key NOT IN {_NOT_OBJECTS}, mapKeys(LogAttributes)) AS keys,
    arrayDistinct(arrayFilter(one -> one.1 != '' AND one.2 != '', arrayConcat(
      arrayMap(one -> (one.1, one.2), JSONExtract(LogAttributes['retail.objects'], '{_LISTED}')),
      arrayFlatten(arrayMap(key -> arrayMap(
          id -> (if(key = 'retail.sku', 'sku', replaceAll(substring(key, 8, length(key) - 10), '.', '_')), id),
          if(startsWith(LogAttributes[key], '['), JSONExtract(LogAttributes[key], 'Array(String)'),
            [LogAttributes[key]])), keys))))) AS objects
  FROM otel_logs
  WHERE EventName != '' AND EventName != '{CHANGED}'
    AND (TenantId, Stream) IN (SELECT TenantId, Stream FROM flattened_streams)
)
ARRAY JOIN objects AS touched
WHERE (TenantId, Stream, ObjectType) IN (SELECT TenantId, Stream, ObjectType FROM flattened_streams)"""


def arrivals(table: str, signal: str, condition: str) -> str:
    """Which segment brought items of which five minutes."""
    return (
        f"SELECT TenantId, '{signal}' AS Signal, SegmentId,\n"
        f"  intDiv(toUnixTimestamp64Nano(Timestamp), {BUCKET_S}000000000) AS Bucket, count() AS Items,\n"
        "  now64(3, 'UTC') AS InsertedAt\n"
        f"FROM {table} WHERE {condition}\nGROUP BY TenantId, SegmentId, Bucket"
    )


_OWN_CASE = "Stream String, Case String"
SPANS_AT_HAND = (
    "Trace String, Span String, Parent String, Stream String, KeyStream String, KeyCase String, Rule String, "
    "Step String, Name String, Kind String, System String, Actor String, Began Int64, Ended Int64, "
    f"LinkTraces Array(String), LinkSpans Array(String), Destination String, Attributes {MAP}, "
    "ReceivedAt DateTime64(9), SegmentId UInt64"
)
EVENTS_AT_HAND = (
    "Trace String, TraceId String, Span String, Stream String, KeyStream String, KeyCase String, Rule String, "
    "Kept UInt8, Step String, EventName String, EventId String, Seq UInt64, Start Nullable(Int64), At Int64, "
    f"System String, Actor String, Attributes {MAP}, ReceivedAt DateTime64(9), SegmentId UInt64"
)
FOUND_AT_HAND = (
    f"Trace String, TraceId String, Span String, EventId String, IsSpan UInt8, Kept UInt8, {_OWN_CASE}, Rule String, "
    "Step String, EventName String, Seq UInt64, Start Nullable(Int64), At Int64, System String, Actor String, "
    f"Destination String, Waits Array(Int64), Attributes {MAP}, ReceivedAt DateTime64(9), SegmentId UInt64"
)
ROWS_AT_HAND = f"{FOUND_AT_HAND}, Content UInt64"
BEFORE = f"Trace String, EventId String, {_OWN_CASE}, Timestamp DateTime64(9), Content UInt64"
CLIMB = f"Id UInt64, Next UInt64, Done UInt8, {_OWN_CASE}"

MIGRATION = Migration(
    8,
    "resolution",
    "cases found for spans and events that do not name one, and events by object",
    (
        CreateTable(
            "trace_arrivals",
            ARRIVALS,
            "MergeTree",
            order_by="(InsertedAt, TenantId, SegmentId)",
            partition_by="toYYYYMMDD(InsertedAt, 'UTC')",
            settings=DEDUPLICATION,
        ),
        CreateTable(
            "trace_links",
            LINKS,
            "ReplacingMergeTree",
            order_by="(TenantId, ToTrace, FromTrace)",
            partition_by=partition_by_month("Start"),
            settings=DEDUPLICATION | {"index_granularity": 1024},
        ),
        CreateTable(
            "resolved_items",
            ITEMS,
            "ReplacingMergeTree(Version)",
            order_by="(TenantId, TraceId, EventId)",
            partition_by=partition_by_year("Timestamp"),
            settings=DEDUPLICATION | {"index_granularity": 1024},
        ),
        CreateTable(
            "resolved_steps",
            STEPS,
            "ReplacingMergeTree(Version, Deleted)",
            order_by="(TenantId, Stream, CaseId, EventId, TraceId)",
            partition_by=partition_by_year("Timestamp"),
            settings=DEDUPLICATION | {"index_granularity": 1024},
        ),
        CreateTable(
            "resolution_marks", MARKS, "ReplacingMergeTree(Version)", order_by="TenantId", settings=DEDUPLICATION
        ),
        CreateTable(
            "flattened_streams",
            FLATTENED,
            "ReplacingMergeTree(Whole)",
            order_by="(TenantId, Stream, ObjectType)",
            settings=DEDUPLICATION,
        ),
        CreateTable(
            "object_events",
            OBJECT_EVENTS,
            "ReplacingMergeTree",
            order_by="(TenantId, Stream, ObjectType, ObjectId, Timestamp, Seq, EventId)",
            partition_by=partition_by_year("Timestamp"),
            settings=DEDUPLICATION,
        ),
        CreateRawTable("resolving_traces_in", "Trace String, Target UInt8, Hop UInt8", "Memory"),
        CreateRawTable("resolving_spans_in", SPANS_AT_HAND, "Memory"),
        CreateRawTable("resolving_events_in", EVENTS_AT_HAND, "Memory"),
        CreateRawTable("resolving_climb_a_in", CLIMB, "Memory"),
        CreateRawTable("resolving_climb_b_in", CLIMB, "Memory"),
        CreateRawTable("resolving_linked_in", f"Hop UInt8, Trace String, Span String, {_OWN_CASE}", "Memory"),
        CreateRawTable("resolving_found_in", FOUND_AT_HAND, "Memory"),
        CreateRawTable("resolving_rows_in", ROWS_AT_HAND, "Memory"),
        CreateRawTable("resolving_before_in", BEFORE, "Memory"),
        CreateView("trace_arrivals_traces_mv", "trace_arrivals", arrivals("otel_traces", "traces", "TraceId != ''")),
        CreateView(
            "trace_arrivals_logs_mv",
            "trace_arrivals",
            arrivals("otel_logs", "logs", "EventName != '' AND (TraceId != '' OR Stream = '' OR CaseId = '')"),
        ),
        CreateView(
            "case_changes_resolved_mv",
            "case_changes",
            "SELECT DISTINCT TenantId, Stream, CaseId, Version AS SegmentId, now64(3, 'UTC') AS InsertedAt\n"
            "FROM resolved_steps",
        ),
        CreateView("object_events_mv", "object_events", FLATTEN),
        CreateView(
            "case_changes_objects_mv",
            "case_changes",
            "SELECT DISTINCT TenantId, concat(Stream, '/', ObjectType) AS Stream, ObjectId AS CaseId, SegmentId,\n"
            "  now64(3, 'UTC') AS InsertedAt\nFROM object_events",
        ),
    ),
)
