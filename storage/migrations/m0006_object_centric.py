"""Objects: which an event touches, what is known of them over time, and how they relate to one another.

A case is one way to look at events; an order, its items and its parcels are several at once. A business event says what
it touches with `retail.objects`, a JSON list of `{"type", "id", "qualifier"}`, and with attributes `retail.<type>.id`
(one id, or a JSON list of ids) and `retail.sku`. A record named `retail.object.changed` says what holds for an object
from its time on. An event that is in several cases is one event here: `retail.event.origin.id` is the id that its
copies share.

Repeated records collapse by merging, and under FINAL at once. Spans are not looked at.
"""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, SEGMENT_COLUMNS, ZSTD, partition_by_year
from storage.migrations.operations import CreateTable, CreateView, Migration

_LISTED = "Array(Tuple(type String, id String, qualifier String))"
_PAIRS = "Array(Tuple(String, String, String))"
_NOT_OBJECTS = "('retail.case.id', 'retail.event.id', 'retail.event.origin.id', 'retail.object.id')"
CHANGED = "retail.object.changed"
"""The event name of a record about an object; it is no step of a case."""

EVENT_OBJECTS = {
    "TenantId": "LowCardinality(String)",
    "Stream": f"LowCardinality(String) {ZSTD}",
    "ObjectType": f"LowCardinality(String) {ZSTD}",
    "ObjectId": f"String {ZSTD}",
    "Timestamp": "DateTime64(9) CODEC(Delta(8), ZSTD(1))",
    "Seq": f"UInt64 {ZSTD}",
    "EventId": f"String {ZSTD}",
    "Qualifier": f"LowCardinality(String) {ZSTD}",
    "Step": f"LowCardinality(String) {ZSTD}",
    "EventName": f"LowCardinality(String) {ZSTD}",
    **SEGMENT_COLUMNS,
}

TOUCHED = f"""SELECT
  TenantId, Stream, touched.1 AS ObjectType, touched.2 AS ObjectId, Timestamp, Seq, EventId, touched.3 AS Qualifier,
  if(Step != '', Step, EventName) AS Step, EventName, ReceivedAt, SegmentId
FROM
(
  SELECT
    TenantId, Stream, Timestamp, Step, EventName, ReceivedAt, SegmentId,
    toUInt64OrZero(LogAttributes['retail.seq']) AS Seq,
    multiIf(LogAttributes['retail.event.origin.id'] != '', LogAttributes['retail.event.origin.id'],
      LogAttributes['retail.event.id'] != '', LogAttributes['retail.event.id'],
      lower(hex(sipHash128(Timestamp, TraceId, SpanId, EventName, Body, ServiceName, LogAttributes)))) AS EventId,
    arrayFilter(key -> (endsWith(key, '.id') AND startsWith(key, 'retail.') OR key = 'retail.sku')
      AND key NOT IN {_NOT_OBJECTS}, mapKeys(LogAttributes)) AS keys,
    arrayDistinct(arrayFilter(one -> one.1 != '' AND one.2 != '', arrayConcat(
      CAST(JSONExtract(LogAttributes['retail.objects'], '{_LISTED}'), '{_PAIRS}'),
      arrayFlatten(arrayMap(key -> arrayMap(
          id -> (if(key = 'retail.sku', 'sku', replaceAll(substring(key, 8, length(key) - 10), '.', '_')), id, ''),
          if(startsWith(LogAttributes[key], '['), JSONExtract(LogAttributes[key], 'Array(String)'),
            [LogAttributes[key]])), keys))))) AS objects
  FROM otel_logs
  WHERE EventName != '' AND EventName != '{CHANGED}'
)
ARRAY JOIN objects AS touched"""

OBJECT_ATTRIBUTES = {
    "TenantId": "LowCardinality(String)",
    "Stream": f"LowCardinality(String) {ZSTD}",
    "ObjectType": f"LowCardinality(String) {ZSTD}",
    "ObjectId": f"String {ZSTD}",
    "Name": f"LowCardinality(String) {ZSTD}",
    "Timestamp": "DateTime64(9) CODEC(Delta(8), ZSTD(1))",
    "Value": f"String {ZSTD}",
    **SEGMENT_COLUMNS,
}

ATTRIBUTES = f"""SELECT
  TenantId, Stream, LogAttributes['retail.object.type'] AS ObjectType, LogAttributes['retail.object.id'] AS ObjectId,
  pair.1 AS Name, Timestamp, pair.2 AS Value, ReceivedAt, SegmentId
FROM otel_logs
ARRAY JOIN arrayConcat([('', '')],
  JSONExtractKeysAndValues(LogAttributes['retail.object.attributes'], 'String')) AS pair
WHERE EventName = '{CHANGED}' AND LogAttributes['retail.object.id'] != ''"""

OBJECT_RELATIONS = {
    "TenantId": "LowCardinality(String)",
    "Stream": f"LowCardinality(String) {ZSTD}",
    "SourceType": f"LowCardinality(String) {ZSTD}",
    "SourceId": f"String {ZSTD}",
    "TargetType": f"LowCardinality(String) {ZSTD}",
    "TargetId": f"String {ZSTD}",
    "Qualifier": f"LowCardinality(String) {ZSTD}",
    "Timestamp": "DateTime64(9) CODEC(Delta(8), ZSTD(1))",
    **SEGMENT_COLUMNS,
}

RELATIONS = f"""SELECT
  TenantId, Stream, LogAttributes['retail.object.type'] AS SourceType, LogAttributes['retail.object.id'] AS SourceId,
  target.1 AS TargetType, target.2 AS TargetId, target.3 AS Qualifier, Timestamp, ReceivedAt, SegmentId
FROM otel_logs
ARRAY JOIN CAST(JSONExtract(LogAttributes['retail.objects'], '{_LISTED}'), '{_PAIRS}') AS target
WHERE EventName = '{CHANGED}' AND LogAttributes['retail.object.id'] != '' AND target.2 != ''"""

MIGRATION = Migration(
    6,
    "object_centric",
    "which objects an event touches, attributes of objects over time, and relations between objects",
    (
        CreateTable(
            "event_objects",
            EVENT_OBJECTS,
            "ReplacingMergeTree",
            order_by="(TenantId, Stream, ObjectType, ObjectId, Timestamp, Seq, EventId, Qualifier)",
            partition_by=partition_by_year("Timestamp"),
            indexes=(
                "idx_event EventId TYPE bloom_filter(0.01) GRANULARITY 1",
                "idx_time Timestamp TYPE minmax GRANULARITY 1",
            ),
            settings=DEDUPLICATION,
        ),
        CreateTable(
            "object_attributes",
            OBJECT_ATTRIBUTES,
            "ReplacingMergeTree",
            order_by="(TenantId, Stream, ObjectType, ObjectId, Name, Timestamp)",
            partition_by=partition_by_year("Timestamp"),
            settings=DEDUPLICATION,
        ),
        CreateTable(
            "object_relations",
            OBJECT_RELATIONS,
            "ReplacingMergeTree",
            order_by="(TenantId, Stream, SourceType, SourceId, TargetType, TargetId, Qualifier)",
            partition_by=partition_by_year("Timestamp"),
            indexes=("idx_target TargetId TYPE bloom_filter(0.01) GRANULARITY 1",),
            settings=DEDUPLICATION,
        ),
        CreateView("event_objects_mv", "event_objects", TOUCHED),
        CreateView("object_attributes_mv", "object_attributes", ATTRIBUTES),
        CreateView("object_relations_mv", "object_relations", RELATIONS),
    ),
)
