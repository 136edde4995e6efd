"""The tables that rotel writes to, after its documented schema: that of the OpenTelemetry ClickHouse exporter.

Made by hand because its tool for them (`clickhouse-ddl`) is not in its Python package. Columns, codecs, skip indexes,
partitions and sorting keys are those of the tool, without its time to live, which would only cost rotel more.
"""

from __future__ import annotations

MAP = "Map(LowCardinality(String), String)"
Z = "CODEC(ZSTD(1))"
TIME = "DateTime64(9) CODEC(Delta, ZSTD(1))"


def _columns(text: str) -> str:
    """`name type` lines, each with ZSTD unless it says otherwise."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return ",\n  ".join(line if "CODEC" in line or line.endswith("!") else f"{line} {Z}" for line in lines).replace(
        "!", ""
    )


def _map_indexes(*columns: tuple[str, str]) -> str:
    return "".join(
        f",\n  INDEX idx_{short}_{part} map{side}({column}) TYPE bloom_filter(0.01) GRANULARITY 1"
        for short, column in columns
        for part, side in (("key", "Keys"), ("value", "Values"))
    )


TRACES = f"""CREATE TABLE otel.otel_traces (
  {
    _columns(f'''
    Timestamp {TIME}
    TraceId String
    SpanId String
    ParentSpanId String
    TraceState String
    SpanName LowCardinality(String)
    SpanKind LowCardinality(String)
    ServiceName LowCardinality(String)
    ResourceAttributes {MAP}
    ScopeName String
    ScopeVersion String
    SpanAttributes {MAP}
    Duration UInt64
    StatusCode LowCardinality(String)
    StatusMessage String
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes {MAP})
    Links Nested (TraceId String, SpanId String, TraceState String, Attributes {MAP})
  ''')
},
  INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX idx_duration Duration TYPE minmax GRANULARITY 1{
    _map_indexes(("res_attr", "ResourceAttributes"), ("span_attr", "SpanAttributes"))
}
) ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (ServiceName, SpanName, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"""

TRACE_TIMES = f"""CREATE TABLE otel.otel_traces_trace_id_ts (
  TraceId String {Z}, Start {TIME}, End {TIME},
  INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree PARTITION BY toDate(Start) ORDER BY (TraceId, Start)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"""

TRACE_TIMES_VIEW = """CREATE MATERIALIZED VIEW otel.otel_traces_trace_id_ts_mv TO otel.otel_traces_trace_id_ts
(TraceId String, Start DateTime64(9), End DateTime64(9)) AS
SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End FROM otel.otel_traces
WHERE TraceId != '' GROUP BY TraceId"""

LOGS = f"""CREATE TABLE otel.otel_logs (
  {
    _columns(f'''
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1))
    TimestampTime DateTime DEFAULT toDateTime(Timestamp)!
    TraceId String
    SpanId String
    TraceFlags UInt8!
    SeverityText LowCardinality(String)
    SeverityNumber UInt8!
    ServiceName LowCardinality(String)
    Body String
    ResourceSchemaUrl LowCardinality(String)
    ResourceAttributes {MAP}
    ScopeSchemaUrl LowCardinality(String)
    ScopeName String
    ScopeVersion LowCardinality(String)
    ScopeAttributes {MAP}
    LogAttributes {MAP}
  ''')
},
  INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX idx_body Body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8{
    _map_indexes(("res_attr", "ResourceAttributes"), ("scope_attr", "ScopeAttributes"), ("log_attr", "LogAttributes"))
}
) ENGINE = MergeTree PARTITION BY toDate(TimestampTime) PRIMARY KEY (ServiceName, TimestampTime)
ORDER BY (ServiceName, TimestampTime, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"""

_META = f"""
    ResourceAttributes {MAP}
    ResourceSchemaUrl String
    ScopeName String
    ScopeVersion String
    ScopeAttributes {MAP}
    ScopeDroppedAttrCount UInt32
    ScopeSchemaUrl String
    ServiceName LowCardinality(String)
    MetricName String
    MetricDescription String
    MetricUnit String
    Attributes {MAP}
    StartTimeUnix {TIME}
    TimeUnix {TIME}
    Value Float64
    Flags UInt32
    Exemplars Nested (FilteredAttributes {MAP}, TimeUnix DateTime64(9), Value Float64, SpanId String, TraceId String)
"""


def _metrics(name: str, more: str) -> str:
    indexes = _map_indexes(
        ("res_attr", "ResourceAttributes"), ("scope_attr", "ScopeAttributes"), ("attr", "Attributes")
    )
    return f"""CREATE TABLE otel.otel_metrics_{name} (
  {_columns(_META + more)}{indexes}
) ENGINE = MergeTree PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, Attributes, toUnixTimestamp64Nano(TimeUnix))
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"""


GAUGE = _metrics("gauge", "")
SUM = _metrics("sum", "AggregationTemporality Int32\n IsMonotonic Boolean CODEC(Delta, ZSTD(1))")
STATEMENTS = ("CREATE DATABASE otel", TRACES, TRACE_TIMES, TRACE_TIMES_VIEW, LOGS, GAUGE, SUM)
