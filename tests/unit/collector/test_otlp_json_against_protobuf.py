"""What JSON becomes on the wire is what protobuf's own implementation writes for the same values."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
    SummaryDataPoint,
)

from collector.otlp_json import to_protobuf

U32, U64, I32 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(-(2**31), 2**31 - 1)
I64, DOUBLES = st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
VALUES = st.one_of(
    st.builds(AnyValue, string_value=TEXTS),
    st.builds(AnyValue, int_value=I64),
    st.builds(AnyValue, double_value=DOUBLES),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=20)),
    st.just(AnyValue()),
)
PAIRS = st.lists(st.builds(KeyValue, key=TEXTS, value=VALUES), max_size=4)
RECORDS = st.builds(
    LogRecord,
    time_unix_nano=U64, observed_time_unix_nano=U64, severity_number=st.integers(0, 24), severity_text=TEXTS,
    body=VALUES, attributes=PAIRS, dropped_attributes_count=U32, flags=U32, event_name=TEXTS,
)  # fmt: skip
NUMBERS = st.builds(NumberDataPoint, attributes=PAIRS, time_unix_nano=U64, as_int=I64, flags=U32)
HISTOGRAMS = st.builds(
    HistogramDataPoint, count=U64, sum=DOUBLES, bucket_counts=st.lists(U64, max_size=4),
    explicit_bounds=st.lists(DOUBLES, max_size=4), min=DOUBLES,
)  # fmt: skip
EXPONENTIALS = st.builds(
    ExponentialHistogramDataPoint, scale=I32, zero_count=U64, zero_threshold=DOUBLES,
    positive=st.builds(
        ExponentialHistogramDataPoint.Buckets, offset=I32, bucket_counts=st.lists(U64, max_size=4)
    ),
)  # fmt: skip
SUMMARIES = st.builds(
    SummaryDataPoint, quantile_values=st.lists(
        st.builds(SummaryDataPoint.ValueAtQuantile, quantile=DOUBLES, value=DOUBLES), max_size=3
    ),
)  # fmt: skip


def through_json(request: Any) -> Any:
    """There by protobuf's own JSON (ids are left out: theirs is base64), back by ours."""
    document = MessageToDict(request, use_integers_for_enums=True)
    return type(request).FromString(to_protobuf(json.dumps(document).encode(), type(request)))


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORDS, max_size=3), PAIRS)
def test_records(records: list[LogRecord], pairs: list[KeyValue]) -> None:
    """Attributes of every kind, remembered or not, empty texts, zeros and extremes."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.extend(pairs)
    resource.scope_logs.add().log_records.extend(records)
    assert through_json(request) == request


@settings(max_examples=150, deadline=None)
@given(st.lists(NUMBERS, max_size=2), st.lists(HISTOGRAMS, max_size=2), st.lists(EXPONENTIALS, max_size=2),
       st.lists(SUMMARIES, max_size=2))  # fmt: skip
def test_points(numbers: Any, histograms: Any, exponentials: Any, summaries: Any) -> None:
    """Packed numbers, zigzag, optional fields."""
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    metrics.add(name="s").sum.data_points.extend(numbers)
    metrics.add(name="h").histogram.data_points.extend(histograms)
    metrics.add(name="e").exponential_histogram.data_points.extend(exponentials)
    metrics.add(name="q").summary.data_points.extend(summaries)
    assert through_json(request) == request


def test_what_is_remembered_is_told_apart_by_place_and_kind() -> None:
    """The same key and text as text, as a number, and in a list with another field number."""
    pairs = [{"key": "a", "value": {"stringValue": "5"}}, {"key": "a", "value": {"intValue": "5"}}]
    document = {"resourceLogs": [{"resource": {"attributes": pairs}, "scopeLogs": [{"logRecords": [
        {"attributes": pairs}]}]}]}  # fmt: skip
    request = ExportLogsServiceRequest.FromString(to_protobuf(json.dumps(document).encode(), ExportLogsServiceRequest))
    resource = request.resource_logs[0]
    wanted = [KeyValue(key="a", value=AnyValue(string_value="5")), KeyValue(key="a", value=AnyValue(int_value=5))]
    assert list(resource.resource.attributes) == wanted
    assert list(resource.scope_logs[0].log_records[0].attributes) == wanted
