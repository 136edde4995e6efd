"""Metric points: one table for each of OTLP's five kinds, each fed by its own view over the same request."""

from __future__ import annotations

from storage.clickhouse.decode import MAP, METRICS_IN, hexes, mapping, mappings, moment, moments, unnested
from storage.migrations.common import SEGMENT_COLUMNS, SEGMENT_VALUES, TELEMETRY, ZSTD, partition
from storage.migrations.operations import CreateRawTable, CreateTable, CreateView, Migration

SHARED_COLUMNS = {
    "TenantId": "LowCardinality(String)",
    "ResourceAttributes": f"{MAP} {ZSTD}",
    "ResourceSchemaUrl": f"LowCardinality(String) {ZSTD}",
    "ScopeName": f"LowCardinality(String) {ZSTD}",
    "ScopeVersion": f"LowCardinality(String) {ZSTD}",
    "ScopeAttributes": f"{MAP} {ZSTD}",
    "ScopeSchemaUrl": f"LowCardinality(String) {ZSTD}",
    "ServiceName": f"LowCardinality(String) {ZSTD}",
    "MetricName": f"LowCardinality(String) {ZSTD}",
    "MetricDescription": f"LowCardinality(String) {ZSTD}",
    "MetricUnit": f"LowCardinality(String) {ZSTD}",
    "Attributes": f"{MAP} {ZSTD}",
    "StartTimeUnix": "DateTime64(9) CODEC(Delta(8), ZSTD(1))",
    "TimeUnix": "DateTime64(9) CODEC(Delta(8), ZSTD(1))",
    "Flags": f"UInt32 {ZSTD}",
}

SHARED_VALUES = {
    "TenantId": "tenant",
    "ResourceAttributes": "resource_attributes",
    "ResourceSchemaUrl": "resource_schema",
    "ScopeName": "scope_name",
    "ScopeVersion": "scope_version",
    "ScopeAttributes": "scope_attributes",
    "ScopeSchemaUrl": "scope_schema",
    "ServiceName": "resource_attributes['service.name']",
    "MetricName": "metric_name",
    "MetricDescription": "metric_description",
    "MetricUnit": "metric_unit",
    "Attributes": mapping("p.attributes"),
    "StartTimeUnix": moment("p.start_time_unix_nano"),
    "TimeUnix": moment("p.time_unix_nano"),
    "Flags": "p.flags",
}


def number(value: str) -> str:
    """A point's or an exemplar's number, whichever of the two fields it has."""
    return f"if({value}.value = 'as_int', toFloat64({value}.as_int), {value}.as_double)"


EXEMPLARS = {
    "Exemplars.FilteredAttributes": (f"Array({MAP}) {ZSTD}", mappings("p.exemplars.filtered_attributes")),
    "Exemplars.TimeUnix": (f"Array(DateTime64(9)) {ZSTD}", moments("p.exemplars.time_unix_nano")),
    "Exemplars.Value": (f"Array(Float64) {ZSTD}", f"arrayMap(e -> {number('e')}, p.exemplars)"),
    "Exemplars.SpanId": (f"Array(String) {ZSTD}", hexes("p.exemplars.span_id")),
    "Exemplars.TraceId": (f"Array(String) {ZSTD}", hexes("p.exemplars.trace_id")),
}
TEMPORALITY = {"AggregationTemporality": (f"Int32 {ZSTD}", "temporality")}
DISTRIBUTION = {
    "Count": ("UInt64 CODEC(Delta(8), ZSTD(1))", "p.count"),
    "Sum": (f"Float64 {ZSTD}", "p.sum"),
    "Min": (f"Float64 {ZSTD}", "p.min"),
    "Max": (f"Float64 {ZSTD}", "p.max"),
}

OWN: dict[str, dict[str, tuple[str, str]]] = {
    "gauge": {"Value": (f"Float64 {ZSTD}", number("p")), **EXEMPLARS},
    "sum": {
        "Value": (f"Float64 {ZSTD}", number("p")),
        "IsMonotonic": (f"Bool {ZSTD}", "monotonic"),
        **TEMPORALITY,
        **EXEMPLARS,
    },
    "histogram": {
        **DISTRIBUTION,
        "BucketCounts": (f"Array(UInt64) {ZSTD}", "p.bucket_counts"),
        "ExplicitBounds": (f"Array(Float64) {ZSTD}", "p.explicit_bounds"),
        **TEMPORALITY,
        **EXEMPLARS,
    },
    "exponential_histogram": {
        **DISTRIBUTION,
        "Scale": (f"Int32 {ZSTD}", "p.scale"),
        "ZeroCount": (f"UInt64 {ZSTD}", "p.zero_count"),
        "ZeroThreshold": (f"Float64 {ZSTD}", "p.zero_threshold"),
        "PositiveOffset": (f"Int32 {ZSTD}", "p.positive.offset"),
        "PositiveBucketCounts": (f"Array(UInt64) {ZSTD}", "p.positive.bucket_counts"),
        "NegativeOffset": (f"Int32 {ZSTD}", "p.negative.offset"),
        "NegativeBucketCounts": (f"Array(UInt64) {ZSTD}", "p.negative.bucket_counts"),
        **TEMPORALITY,
        **EXEMPLARS,
    },
    "summary": {
        "Count": DISTRIBUTION["Count"],
        "Sum": DISTRIBUTION["Sum"],
        "ValueAtQuantiles.Quantile": (f"Array(Float64) {ZSTD}", "p.quantile_values.quantile"),
        "ValueAtQuantiles.Value": (f"Array(Float64) {ZSTD}", "p.quantile_values.value"),
    },
}


def points(kind: str) -> str:
    """SELECT of one kind's points; a metric of another kind has none of them."""
    kept = (
        "tenant, segment, received_at, resource_attributes, resource_schema, scope_name, scope_version, "
        "scope_attributes, scope_schema"
    )
    temporality = f"m.{kind}.aggregation_temporality" if "AggregationTemporality" in OWN[kind] else "toInt32(0)"
    metric = {
        **{name.strip(): name.strip() for name in kept.split(",")},
        "metric_name": "m.name",
        "metric_description": "m.description",
        "metric_unit": "m.unit",
        "temporality": temporality,
        "monotonic": "m.sum.is_monotonic" if kind == "sum" else "false",
        "points": f"m.{kind}.data_points",
    }
    values = SHARED_VALUES | {name: value for name, (_, value) in OWN[kind].items()} | SEGMENT_VALUES
    selected = ",\n  ".join(f"{expression} AS `{name}`" for name, expression in values.items())
    inner = unnested("metrics_in", "resource_metrics", "scope_metrics", "metrics", "m", metric)
    return f"SELECT\n  {selected}\nFROM (\n{inner}\n) ARRAY JOIN points AS p"


def table(kind: str) -> CreateTable:
    """The kind's table, with the exporter's columns."""
    return CreateTable(
        f"otel_metrics_{kind}",
        SHARED_COLUMNS | {name: declared for name, (declared, _) in OWN[kind].items()} | SEGMENT_COLUMNS,
        "MergeTree",
        order_by="(TenantId, MetricName, ServiceName, Attributes, toUnixTimestamp64Nano(TimeUnix))",
        partition_by=partition("TimeUnix"),
        indexes=(
            "idx_time TimeUnix TYPE minmax GRANULARITY 1",
            "idx_segment SegmentId TYPE minmax GRANULARITY 1",
            "idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1",
        ),
        settings=TELEMETRY,
    )


MIGRATION = Migration(
    3,
    "metrics",
    "metric points of all five kinds",
    (
        CreateRawTable("metrics_in", METRICS_IN, "Null"),
        *(table(kind) for kind in OWN),
        *(CreateView(f"metrics_in_{kind}_mv", f"otel_metrics_{kind}", points(kind)) for kind in OWN),
    ),
)
