"""Values read from their bytes: what an encoder writes gives the text of the message, anything else never a wrong one.

The engine's own reading of the message and Python's protobuf library are the two oracles.
"""

from __future__ import annotations

import base64

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from core import StorageError
from storage import ClickHouse, SegmentMeta, Signal
from storage.clickhouse.any_value import text_of_bytes
from storage.clickhouse.normal import normalized

NOW = 1_772_442_000_123_456_789
INT64 = st.integers(-(2**63), 2**63 - 1)
EDGES = [0, 1, 126, 127, 128, 129, 130, 254, 255, 256, 257, 16_382, 16_383, 16_384, 16_385, 2**21 - 1, 2**21, 2**21 + 1]
NUMBERS = [0, -1, -(2**63), 2**63 - 1, 2**56 - 1, 2**56, *(2 ** (7 * k) + d for k in range(1, 9) for d in (-1, 0, 1))]
VALUES = st.one_of(
    INT64.map(lambda number: AnyValue(int_value=number)),
    st.text(max_size=400).map(lambda text: AnyValue(string_value=text)),
    st.binary(max_size=400).map(lambda data: AnyValue(bytes_value=data)),
    st.booleans().map(lambda flag: AnyValue(bool_value=flag)),
    st.just(AnyValue()),
)
PADDED = {
    "a padded length": (b"\x0a\x82\x00ab", "ab"),
    "a padded number": (b"\x10\x81\x00", "true"),
    "two fields, of which the last counts": (b"\x0a\x01a\x18\x07", "7"),
    "a field of a later release": (b"\x0a\x01a\xc0\x3e\x01", "a"),
    "a kind that is not stored": (b"\x40\x05", ""),
    "two fields, long": (b"\x0a\x82\x01" + b"x" * 130 + b"\x0a\x01b", "b"),
}
"""Bytes of a value that protobuf allows and usual encoders do not write, and its text."""


def text(value: AnyValue) -> str:
    """What is stored for it."""
    kind = value.WhichOneof("value")
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    return "" if kind is None else str(getattr(value, kind))


def engine_texts(ch: ClickHouse, values: list[bytes]) -> list[str]:
    """What the expression makes of each, in one block, so that every branch meets every kind of value."""
    sql = (
        f"SELECT arrayMap(x -> {text_of_bytes('x')}, groupArray(base64Decode(encoded)))"
        " FROM (SELECT arrayJoin({encoded:Array(String)}) AS encoded)"
    )
    encoded = [base64.b64encode(value).decode() for value in values]
    return list(ch.query(sql, {"encoded": encoded}).scalar())


def field(number: int, content: bytes) -> bytes:
    """A field with a length, as protobuf writes it."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def span_with(raw: bytes) -> bytes:
    """A request whose one span has one attribute of this value, byte for byte."""
    pair = field(1, b"key") + field(2, raw)
    return field(1, field(2, field(2, field(1, b"\x01" * 16) + field(9, pair))))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, min_size=1, max_size=40))
def test_every_value_of_an_encoder_has_its_text(clickhouse: ClickHouse, values: list[AnyValue]) -> None:
    assert engine_texts(clickhouse, [one.SerializeToString() for one in values]) == [text(one) for one in values]


def test_lengths_and_numbers_where_an_encoding_grows_by_a_byte(clickhouse: ClickHouse) -> None:
    values = [AnyValue(string_value="x" * size) for size in EDGES[:-3]]
    values += [AnyValue(bytes_value=b"\xff" * size) for size in EDGES[:-3]]
    values += [AnyValue(int_value=number) for number in NUMBERS]
    assert engine_texts(clickhouse, [one.SerializeToString() for one in values]) == [text(one) for one in values]


@pytest.mark.parametrize("size", EDGES[-3:])
def test_a_text_of_two_megabytes(clickhouse: ClickHouse, tenant: str, size: int) -> None:
    payload = span_with(AnyValue(string_value="x" * size).SerializeToString())
    clickhouse.insert_otlp(Signal.TRACES, payload, SegmentMeta(tenant, 1, NOW))
    sql = "SELECT length(SpanAttributes['key']) FROM otel_traces WHERE TenantId = {t:String}"
    assert clickhouse.query(sql, {"t": tenant}).scalar() == size


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=30),
        VALUES.map(lambda one: one.SerializeToString()),
        st.sampled_from([raw for raw, _ in PADDED.values()]),
    ),
    st.binary(max_size=3),
)
def test_other_bytes_are_refused_or_read_as_protobuf_reads_them(
    clickhouse: ClickHouse, raw: bytes, more: bytes
) -> None:
    """Never a wrong text: bytes that the expression takes are those of protobuf's own encoder, or mean the same."""
    try:
        (found,) = engine_texts(clickhouse, [raw + more])
    except StorageError:
        return
    try:
        value = AnyValue.FromString(raw + more)
    except DecodeError:  # does not pass the door; the engine may read a text whose UTF-8 is broken
        return
    if value.WhichOneof("value") != "double_value":
        assert found == text(value)


@pytest.mark.parametrize("name", PADDED)
def test_an_unusual_encoding_is_stored_like_a_usual_one(clickhouse: ClickHouse, tenant: str, name: str) -> None:
    """And once: a repeated token takes the same way."""
    raw, wanted = PADDED[name]
    for _ in range(2):
        payload = span_with(AnyValue(int_value=5).SerializeToString()) + span_with(raw)
        clickhouse.insert_otlp(Signal.TRACES, payload, SegmentMeta(tenant, 1, NOW))
    sql = "SELECT SpanAttributes['key'] AS text, count() FROM otel_traces WHERE TenantId = {t:String} GROUP BY ALL"
    assert sorted(clickhouse.query(sql, {"t": tenant}).rows) == sorted([("5", 1), (wanted, 1)])


def test_what_is_rewritten_late_in_a_large_insert_is_stored_once(clickhouse: ClickHouse, tenant: str) -> None:
    """The unusual value comes last, after several blocks of rows, in the table and behind it."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for index in range(150_000):
        spans.add(trace_id=index.to_bytes(16, "big"), span_id=b"\x01" * 8, start_time_unix_nano=NOW)
    payload = request.SerializeToString() + span_with(PADDED["a padded length"][0])
    for _ in range(2):
        clickhouse.insert_otlp(Signal.TRACES, payload, SegmentMeta(tenant, 1, NOW))
    for table in ("otel_traces", "otel_traces_trace_id_ts"):
        sql = f"SELECT count() FROM {table} WHERE TenantId = {{t:String}}"
        assert (table, clickhouse.query(sql, {"t": tenant}).scalar()) == (table, 150_001)


def test_a_log_record_with_an_unusual_attribute(clickhouse: ClickHouse, tenant: str) -> None:
    raw, wanted = PADDED["a padded length"]
    payload = field(1, field(2, field(2, field(6, field(1, b"key") + field(2, raw)))))
    clickhouse.insert_otlp(Signal.LOGS, payload, SegmentMeta(tenant, 1, NOW))
    sql = "SELECT LogAttributes['key'] FROM otel_logs WHERE TenantId = {t:String}"
    assert clickhouse.query(sql, {"t": tenant}).rows == [(wanted,)]


def test_rewriting_keeps_items_and_drops_what_is_no_otlp() -> None:
    request = ExportMetricsServiceRequest()
    point = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge.data_points.add(as_int=0)
    point.attributes.append(KeyValue(key="list", value=AnyValue()))
    wanted = request.SerializeToString()
    point.attributes[0].value.array_value.values.add(string_value="x")
    assert normalized(Signal.METRICS, request.SerializeToString() + b"\xc0\x3e\x01") == wanted
    assert normalized(Signal.METRICS, b"\xff") is None
