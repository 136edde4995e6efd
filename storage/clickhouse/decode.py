"""Builds the SELECTs that turn OTLP messages into rows inside the engine.

Unnesting goes level by level (resource, then scope, then item) and drops the source array at each level: one flat
ARRAY JOIN over nested columns would copy them for every item. Everything here is text made from constants; nothing
comes from input.
"""

from __future__ import annotations

from storage.clickhouse.any_value import BYTES, MESSAGE, text, text_of_bytes

KEY_VALUES = f"Array(Tuple(key String, value {MESSAGE}))"
RAW_VALUES = f"Array(Tuple(key String, value {BYTES}))"
"""The same as `KEY_VALUES`, for what is read in great numbers."""
SCOPE = f"Tuple(name String, version String, attributes {KEY_VALUES})"
RESOURCE = f"Tuple(attributes {KEY_VALUES})"
MAP = "Map(LowCardinality(String), String)"


def mapping(attributes: str) -> str:
    """Key-value pairs as a map of texts."""
    return f"CAST(arrayMap(x -> (x.key, {text('x.value')}), {attributes}), '{MAP}')"


def raw_mapping(attributes: str) -> str:
    """The same from `RAW_VALUES`."""
    return f"CAST(arrayMap(x -> (x.key, {text_of_bytes('x.value')}), {attributes}), '{MAP}')"


def mappings(lists: str) -> str:
    """A list of attribute lists as an array of maps."""
    return f"arrayMap(a -> {mapping('a')}, {lists})"


def hexed(value: str) -> str:
    """An id in lower-case hexadecimal."""
    return f"lower(hex({value}))"


def hexes(values: str) -> str:
    """An array of ids."""
    return f"arrayMap(i -> {hexed('i')}, {values})"


def moment(nanoseconds: str) -> str:
    """Nanoseconds since the epoch as DateTime64(9); beyond 2262 they end there."""
    return f"fromUnixTimestamp64Nano(toInt64(least({nanoseconds}, 9223372036854775807)))"


def moments(values: str) -> str:
    """An array of times."""
    return f"arrayMap(t -> {moment('t')}, {values})"


def named(number: str, names: tuple[str, ...]) -> str:
    """An enumeration's name; a number that is none counts as the first."""
    listed = ", ".join(f"'{name}'" for name in names)
    return f"[{listed}][if({number} >= 0 AND {number} < {len(names)}, {number}, 0) + 1]"


def unnested(
    source: str, resources: str, scopes: str, items: str, item: str, columns: dict[str, str], attributes: str = ""
) -> str:
    """SELECT of the columns over every item; `item` names it, and what the levels above gave has a name:

    tenant, segment, received_at, resource_attributes, resource_schema, scope_name, scope_version, scope_attributes,
    scope_schema. The item's own `attributes` are `item_attributes`: computed one level below the columns, because the
    engine analyses an expression again wherever its alias is used, and that in every insert.
    """
    selected = ",\n  ".join(f"{expression} AS `{name}`" for name, expression in columns.items())
    kept = "tenant, segment, received_at, resource_attributes, resource_schema"
    scoped = f"{kept}, scope_name, scope_version, scope_attributes, scope_schema"
    rows = f"(\n  SELECT {scoped}, {item}, {attributes} AS item_attributes\n  FROM " if attributes else ""
    return (
        f"SELECT\n  {selected}\nFROM {rows}(\n"
        f"  SELECT {kept}, s.scope.name AS scope_name, s.scope.version AS scope_version,\n"
        f"    {mapping('s.scope.attributes')} AS scope_attributes, s.schema_url AS scope_schema, s.{items} AS items\n"
        f"  FROM (\n"
        f"    SELECT tenant[-1] AS tenant, segment[-1] AS segment, received_at[-1] AS received_at,\n"
        f"      {mapping('r.resource.attributes')} AS resource_attributes,\n"
        f"      r.schema_url AS resource_schema, r.{scopes} AS scopes\n"
        f"    FROM {source} ARRAY JOIN {resources} AS r\n"
        f"  ) ARRAY JOIN scopes AS s\n"
        f") ARRAY JOIN items AS {item}" + ("\n)" if rows else "")
    )


OURS = "tenant Array(String), segment Array(UInt64), received_at Array(UInt64)"

SPANS_IN = (
    f"resource_spans Array(Tuple(resource {RESOURCE}, scope_spans Array(Tuple(scope {SCOPE}, spans Array(Tuple("
    "trace_id String, span_id String, trace_state String, parent_span_id String, name String, kind Int32, "
    f"start_time_unix_nano UInt64, end_time_unix_nano UInt64, attributes {RAW_VALUES}, "
    f"events Array(Tuple(time_unix_nano UInt64, name String, attributes {KEY_VALUES})), "
    f"links Array(Tuple(trace_id String, span_id String, trace_state String, attributes {KEY_VALUES})), "
    f"status Tuple(message String, code Int32))), schema_url String)), schema_url String)), {OURS}"
)

LOGS_IN = (
    f"resource_logs Array(Tuple(resource {RESOURCE}, scope_logs Array(Tuple(scope {SCOPE}, log_records Array(Tuple("
    f"time_unix_nano UInt64, severity_number Int32, severity_text String, body {MESSAGE}, "
    f"attributes {RAW_VALUES}, flags UInt32, trace_id String, span_id String, observed_time_unix_nano UInt64, "
    f"event_name String)), schema_url String)), schema_url String)), {OURS}"
)

_EXEMPLARS = (
    f"exemplars Array(Tuple(filtered_attributes {KEY_VALUES}, time_unix_nano UInt64, "
    "value Enum8('unset' = 0, 'as_double' = 3, 'as_int' = 6), as_double Float64, as_int Int64, "
    "span_id String, trace_id String))"
)
_POINT = f"attributes {KEY_VALUES}, start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32"
_NUMBERS = (
    f"data_points Array(Tuple({_POINT}, value Enum8('unset' = 0, 'as_double' = 4, 'as_int' = 6), "
    f"as_double Float64, as_int Int64, {_EXEMPLARS}))"
)
_BUCKETS = "Tuple(offset Int32, bucket_counts Array(UInt64))"
METRICS_IN = (
    f"resource_metrics Array(Tuple(resource {RESOURCE}, scope_metrics Array(Tuple(scope {SCOPE}, metrics Array(Tuple("
    f"name String, description String, unit String, gauge Tuple({_NUMBERS}), "
    f"sum Tuple({_NUMBERS}, aggregation_temporality Int32, is_monotonic Bool), "
    f"histogram Tuple(data_points Array(Tuple({_POINT}, count UInt64, sum Float64, bucket_counts Array(UInt64), "
    f"explicit_bounds Array(Float64), {_EXEMPLARS}, min Float64, max Float64)), aggregation_temporality Int32), "
    f"exponential_histogram Tuple(data_points Array(Tuple({_POINT}, count UInt64, sum Float64, scale Int32, "
    f"zero_count UInt64, positive {_BUCKETS}, negative {_BUCKETS}, {_EXEMPLARS}, min Float64, max Float64, "
    f"zero_threshold Float64)), aggregation_temporality Int32), "
    f"summary Tuple(data_points Array(Tuple({_POINT}, count UInt64, sum Float64, "
    f"quantile_values Array(Tuple(quantile Float64, value Float64)))))"
    f")), schema_url String)), schema_url String)), {OURS}"
)
