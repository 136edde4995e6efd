"""The OTLP messages as the engine reads them: protobuf schemas as text, sent with each insert.

They are opentelemetry-proto 1.x cut to what is stored. Three differences: an AnyValue knows scalars only (lists and
maps are turned into JSON text at the door, because a schema of the engine cannot recurse); where there are many it is
declared as bytes, which are written alike (`any_value` tells why); and every request has three fields of our own with
high numbers, which are appended once per insert. Serialized messages concatenate into one valid message. Ours are
repeated fields of which the last is read, so that a client who sends the same fields cannot set them: the engine's
reader does not let the last value of a repeated scalar win, as protobuf demands, but leaves a text empty.
"""

from __future__ import annotations

from storage.signals import SegmentMeta, Signal

TENANT_FIELD, SEGMENT_FIELD, RECEIVED_FIELD = 536_870_901, 536_870_902, 536_870_903
"""Near the top of protobuf's range (2^29 - 1), where no OTLP field will ever be."""

_COMMON = """
message AnyValue { oneof value {
  string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; bytes bytes_value = 7; } }
message KeyValue { string key = 1; AnyValue value = 2; }
message RawKeyValue { string key = 1; bytes value = 2; }
message Scope { string name = 1; string version = 2; repeated KeyValue attributes = 3; }
message Resource { repeated KeyValue attributes = 1; }
"""
_OURS = (
    f"repeated string tenant = {TENANT_FIELD}; repeated uint64 segment = {SEGMENT_FIELD}; "
    f"repeated uint64 received_at = {RECEIVED_FIELD};"
)

_TRACES = f"""
message Status {{ string message = 2; int32 code = 3; }}
message Event {{ fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }}
message Link {{
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; repeated KeyValue attributes = 4; }}
message Span {{
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5;
  int32 kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
  repeated RawKeyValue attributes = 9;
  repeated Event events = 11; repeated Link links = 13; Status status = 15; }}
message ScopeSpans {{ Scope scope = 1; repeated Span spans = 2; string schema_url = 3; }}
message ResourceSpans {{ Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }}
message Traces {{ repeated ResourceSpans resource_spans = 1; {_OURS} }}
"""

_LOGS = f"""
message LogRecord {{
  fixed64 time_unix_nano = 1; int32 severity_number = 2; string severity_text = 3; AnyValue body = 5;
  repeated RawKeyValue attributes = 6; fixed32 flags = 8; bytes trace_id = 9; bytes span_id = 10;
  fixed64 observed_time_unix_nano = 11; string event_name = 12; }}
message ScopeLogs {{ Scope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }}
message ResourceLogs {{ Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }}
message Logs {{ repeated ResourceLogs resource_logs = 1; {_OURS} }}
"""

_METRICS = f"""
message Exemplar {{
  repeated KeyValue filtered_attributes = 7; fixed64 time_unix_nano = 2;
  oneof value {{ double as_double = 3; sfixed64 as_int = 6; }} bytes span_id = 4; bytes trace_id = 5; }}
message NumberPoint {{
  repeated KeyValue attributes = 7; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
  oneof value {{ double as_double = 4; sfixed64 as_int = 6; }} repeated Exemplar exemplars = 5; uint32 flags = 8; }}
message HistogramPoint {{
  repeated KeyValue attributes = 9; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4;
  double sum = 5; repeated fixed64 bucket_counts = 6; repeated double explicit_bounds = 7;
  repeated Exemplar exemplars = 8; uint32 flags = 10; double min = 11; double max = 12; }}
message Buckets {{ sint32 offset = 1; repeated uint64 bucket_counts = 2; }}
message ExponentialPoint {{
  repeated KeyValue attributes = 1; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4;
  double sum = 5; sint32 scale = 6; fixed64 zero_count = 7; Buckets positive = 8; Buckets negative = 9;
  uint32 flags = 10; repeated Exemplar exemplars = 11; double min = 12; double max = 13; double zero_threshold = 14; }}
message Quantile {{ double quantile = 1; double value = 2; }}
message SummaryPoint {{
  repeated KeyValue attributes = 7; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4;
  double sum = 5; repeated Quantile quantile_values = 6; uint32 flags = 8; }}
message Gauge {{ repeated NumberPoint data_points = 1; }}
message Sum {{ repeated NumberPoint data_points = 1; int32 aggregation_temporality = 2; bool is_monotonic = 3; }}
message Histogram {{ repeated HistogramPoint data_points = 1; int32 aggregation_temporality = 2; }}
message ExponentialHistogram {{ repeated ExponentialPoint data_points = 1; int32 aggregation_temporality = 2; }}
message Summary {{ repeated SummaryPoint data_points = 1; }}
message Metric {{
  string name = 1; string description = 2; string unit = 3; Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9;
  ExponentialHistogram exponential_histogram = 10; Summary summary = 11; }}
message ScopeMetrics {{ Scope scope = 1; repeated Metric metrics = 2; string schema_url = 3; }}
message ResourceMetrics {{ Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; string schema_url = 3; }}
message Metrics {{ repeated ResourceMetrics resource_metrics = 1; {_OURS} }}
"""

_HEAD = 'syntax = "proto3";'
SCHEMAS = {
    Signal.TRACES: _HEAD + _COMMON + _TRACES,
    Signal.LOGS: _HEAD + _COMMON + _LOGS,
    Signal.METRICS: _HEAD + _COMMON + _METRICS,
}
MESSAGES = {Signal.TRACES: "Traces", Signal.LOGS: "Logs", Signal.METRICS: "Metrics"}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def segment_fields(meta: SegmentMeta) -> bytes:
    """The fields of our own, serialized; appended to a payload they belong to its message."""
    tenant = meta.tenant.encode()
    return b"".join(
        (
            _varint(TENANT_FIELD << 3 | 2) + _varint(len(tenant)) + tenant,
            _varint(SEGMENT_FIELD << 3) + _varint(meta.segment),
            _varint(RECEIVED_FIELD << 3) + _varint(meta.received_at_ns),
        )
    )
