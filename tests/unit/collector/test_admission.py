"""Admission: neighbours of a bad item are not hurt, what needs no change is not changed, nested values are kept."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from collector import wire
from collector.admission import Encoding, admit
from collector.rules import SENTENCES, Reason
from core import InvalidInput
from storage import Signal
from tests.unit.collector.support import trace_request

NESTED = AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=2**63 - 1), AnyValue(bytes_value=b"\x00\xff")]))
MAP = AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="a", value=NESTED), KeyValue(key="unset")]))


def protobuf(signal: Signal, request: Any) -> Any:
    """The admitted request, decoded with the published messages."""
    return type(request).FromString(admit(signal, Encoding.PROTOBUF, request.SerializeToString()).payload)


def test_a_plain_request_is_kept_byte_for_byte() -> None:
    """A span's unknown fields included."""
    request = trace_request()
    request.resource_spans[0].scope_spans[0].spans[1].MergeFromString(b"\xba\x3e\x02hi")
    body = request.SerializeToString()
    admitted = admit(Signal.TRACES, Encoding.PROTOBUF, body)
    assert admitted.payload is body
    assert (admitted.items, admitted.rejected, admitted.reason) == (3, 0, "")


SPAN = trace_request(1).SerializeToString()
POINT = bytes.fromhex("11 0100000000000000 19 0100000000000000 31 0100000000000000")


def message(number: int, *inside: bytes) -> bytes:
    """A field that is a message."""
    joined = b"".join(inside)
    return wire.tag(number, wire.LENGTH) + wire.varint(len(joined)) + joined


def one_metric(*fields: bytes) -> bytes:
    """A request of one metric."""
    return message(1, message(2, message(2, b"\x0a\x01m", *fields)))


GAUGE, SUM = message(5, message(1, POINT)), message(7, message(1, POINT), message(1, POINT))
NO_POINT = message(5, b"\x0b\x0c")


@pytest.mark.parametrize(
    ("signal", "body", "items", "payload"),
    [
        pytest.param(Signal.TRACES, SPAN + b"\x0b\x0c", 1, SPAN, id="a group beside the resources"),
        pytest.param(Signal.TRACES, SPAN + b"\xba\x3e\x02hi", 1, SPAN, id="an unknown field beside the resources"),
        pytest.param(Signal.METRICS, one_metric(GAUGE, SUM), 2, one_metric(SUM), id="the last kind of points wins"),
        pytest.param(Signal.METRICS, one_metric(SUM, GAUGE), 1, one_metric(GAUGE), id="the same the other way"),
        pytest.param(Signal.METRICS, one_metric(GAUGE, NO_POINT), 1, one_metric(GAUGE), id="a group of points"),
        pytest.param(Signal.METRICS, one_metric(GAUGE + b"\x3b\x3c"), 1, one_metric(GAUGE), id="a group that is a sum"),
    ],
)  # fmt: skip
def test_what_the_engine_would_count_otherwise_is_written_anew(
    signal: Signal, body: bytes, items: int, payload: bytes
) -> None:
    """Found by fuzzing: its reader takes groups for messages, and both members of a oneof."""
    admitted = admit(signal, Encoding.PROTOBUF, body)
    assert (admitted.items, admitted.payload) == (items, payload)


def test_a_list_cannot_be_smuggled_past_the_door() -> None:
    """With the field that the door looks for put into it, whatever is in that."""
    for forged in (b"\xf8\xff\xff\xff\x0f\x01", b"\xfa\xff\xff\xff\x0f\x00"):
        value = message(2, message(5, message(1, b"\x0a\x02hi"), forged))
        attribute = message(9, b"\x0a\x01k", value)
        span = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8 + b"\x39" + b"\x01" * 8 + b"\x41" + b"\x01" * 8
        admitted = admit(Signal.TRACES, Encoding.PROTOBUF, message(1, message(2, message(2, span, attribute))))
        stored = ExportTraceServiceRequest.FromString(admitted.payload).resource_spans[0].scope_spans[0].spans[0]
        assert stored.attributes[0].value.string_value == '["hi"]'


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("body", [b"", b"\x0a\x00", b"\x0a\x02\x12\x00"], ids=["empty", "no scopes", "no items"])
def test_empty_envelopes_succeed(signal: Signal, body: bytes) -> None:
    """OTLP: a server must answer an empty request with success."""
    assert admit(signal, Encoding.PROTOBUF, body).items == 0
    assert admit(signal, Encoding.JSON, b"{}").items == 0


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("body", [b"\xff" * 11, b"no protobuf", b"\x0a\x05ab", b"\x0a\x02\x12\x05"])
def test_what_cannot_be_decoded_is_refused_whole(signal: Signal, body: bytes) -> None:
    """There are no items to tell apart in it."""
    with pytest.raises(InvalidInput, match=signal.value):
        admit(signal, Encoding.PROTOBUF, body)


def test_text_that_is_no_utf8_is_refused() -> None:
    """Also inside of a nested value, where the first pass does not look."""
    request = trace_request()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="list").value.array_value.values.add(string_value="needle")
    body = request.SerializeToString()
    for word in (b"needle", b"span 1"):
        with pytest.raises(InvalidInput):
            admit(Signal.TRACES, Encoding.PROTOBUF, body.replace(word, b"\xff" * len(word)))


@given(
    st.lists(st.sampled_from(["good", "no trace", "zero trace", "short trace", "zero span", "long span"]), max_size=40)
)
def test_impossible_ids_cost_their_own_span_alone(kinds: list[str]) -> None:
    """Every good span stays, in order; every bad one is counted under its reason."""
    request = trace_request(len(kinds))
    spans = request.resource_spans[0].scope_spans[0].spans
    for span, kind in zip(spans, kinds, strict=True):
        span.name = kind
        span.trace_id = {"no trace": b"", "zero trace": bytes(16), "short trace": b"x" * 15}.get(kind, span.trace_id)
        span.span_id = {"zero span": bytes(8), "long span": b"x" * 9}.get(kind, span.span_id)
    good = copy.deepcopy(request)
    kept = [span for span in good.resource_spans[0].scope_spans[0].spans if span.name == "good"]
    del good.resource_spans[0].scope_spans[0].spans[:]
    good.resource_spans[0].scope_spans[0].spans.extend(kept)
    admitted = admit(Signal.TRACES, Encoding.PROTOBUF, request.SerializeToString())
    assert (admitted.items, admitted.rejected) == (len(kept), len(kinds) - len(kept))
    assert not kept or ExportTraceServiceRequest.FromString(admitted.payload) == good
    traces = sum("trace" in kind for kind in kinds)
    assert (f"{traces} because {SENTENCES[Reason.BAD_TRACE_ID]}" in admitted.reason) == bool(traces)
    assert (SENTENCES[Reason.BAD_SPAN_ID] in admitted.reason) == any("span" in kind for kind in kinds)


def test_nested_values_are_found_everywhere_in_spans() -> None:
    """Resource, scope, span, event and link: wherever OTLP has attributes."""
    request = trace_request()
    resource = request.resource_spans[0]
    scope = resource.scope_spans[0]
    span = scope.spans[1]
    places = [resource.resource, scope.scope, span, span.events.add(), span.links.add()]
    for place in places:
        place.attributes.add(key="nested", value=MAP)
        place.attributes.add(key="empty").value.array_value.SetInParent()
        place.attributes.add(key="plain").value.double_value = -0.0
    found = protobuf(Signal.TRACES, request).resource_spans[0]
    span = found.scope_spans[0].spans[1]
    for place in (found.resource, found.scope_spans[0].scope, span, span.events[0], span.links[0]):
        nested, empty, plain = place.attributes[-3:]
        assert json.loads(nested.value.string_value) == {"a": [2**63 - 1, "AP8="], "unset": None}
        assert empty.value.string_value == "[]"
        assert math.copysign(1, plain.value.double_value) == -1
    assert [len(one.attributes) for one in found.scope_spans[0].spans] == [0, 3, 0]


def test_nested_values_are_found_in_logs_and_metrics() -> None:
    """Bodies of log records, data points of every kind, exemplars."""
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add(body=NESTED)
    record.attributes.add(key="nested", value=NESTED)
    record = protobuf(Signal.LOGS, logs).resource_logs[0].scope_logs[0].log_records[0]
    assert [record.body.string_value, record.attributes[0].value.string_value] == ['[9223372036854775807,"AP8="]'] * 2

    metrics = ExportMetricsServiceRequest()
    scope = metrics.resource_metrics.add().scope_metrics.add()
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    for kind in kinds:
        point = getattr(scope.metrics.add(name=kind), kind).data_points.add(time_unix_nano=1)
        if kind in ("gauge", "sum"):
            point.as_int = 1
        point.attributes.add(key="nested", value=NESTED)
        if kind != "summary":
            point.exemplars.add().filtered_attributes.add(key="nested", value=NESTED)
    admitted = admit(Signal.METRICS, Encoding.PROTOBUF, metrics.SerializeToString())
    assert admitted.items == len(kinds)
    for metric in ExportMetricsServiceRequest.FromString(admitted.payload).resource_metrics[0].scope_metrics[0].metrics:
        (point,) = getattr(metric, metric.name).data_points
        holders = [point.attributes] + [one.filtered_attributes for one in getattr(point, "exemplars", [])]
        assert {one.value.WhichOneof("value") for (one,) in holders} == {"string_value"}


SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.none()
)
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab☃", max_size=3), inner, max_size=4)
)


def any_value(plain: Any) -> AnyValue:
    match plain:
        case bool():
            return AnyValue(bool_value=plain)
        case int():
            return AnyValue(int_value=plain)
        case float():
            return AnyValue(double_value=plain)
        case str():
            return AnyValue(string_value=plain)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(any_value, plain)))
        case dict():
            pairs = [KeyValue(key=key, value=any_value(value)) for key, value in plain.items()]
            return AnyValue(kvlist_value=KeyValueList(values=pairs))
    return AnyValue()


def otlp_json(plain: Any) -> dict[str, Any]:
    match plain:
        case bool():
            return {"boolValue": plain}
        case int():
            return {"intValue": str(plain)}
        case float():
            return {"doubleValue": plain}
        case str():
            return {"stringValue": plain}
        case list():
            return {"arrayValue": {"values": [otlp_json(one) for one in plain]}}
        case dict():
            return {"kvlistValue": {"values": [{"key": key, "value": otlp_json(one)} for key, one in plain.items()]}}
    return {}


@settings(max_examples=150)
@given(st.lists(PLAIN, max_size=4) | st.dictionaries(st.text("ab☃", max_size=3), PLAIN, max_size=4))
def test_json_text_is_exact_by_both_encodings(plain: Any) -> None:
    """Types, signs, the last bit of a number and the order of lists survive, and both ways in agree."""
    request = trace_request(1)
    document = {"key": "nested", "value": otlp_json(plain)}
    request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="nested", value=any_value(plain))
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "01" * 16, "spanId": "02" * 8, "startTimeUnixNano": "1", "endTimeUnixNano": "1",
         "attributes": [document]}]}]}]}  # fmt: skip
    texts = [
        ExportTraceServiceRequest.FromString(admitted.payload)
        .resource_spans[0].scope_spans[0].spans[0].attributes[0].value.string_value
        for admitted in (
            admit(Signal.TRACES, Encoding.PROTOBUF, request.SerializeToString()),
            admit(Signal.TRACES, Encoding.JSON, json.dumps(body).encode()),
        )
    ]  # fmt: skip
    assert texts[0] == texts[1]
    assert json.dumps(json.loads(texts[0]), sort_keys=True) == json.dumps(plain, sort_keys=True)


def test_numbers_that_json_does_not_know() -> None:
    """They become the names that protobuf's JSON uses, so that the text stays JSON."""
    request = trace_request(1)
    values = [AnyValue(double_value=value) for value in (math.nan, math.inf, -math.inf)]
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="odd", value=AnyValue(array_value=ArrayValue(values=values)))
    span = protobuf(Signal.TRACES, request).resource_spans[0].scope_spans[0].spans[0]
    assert span.attributes[0].value.string_value == '["NaN","Infinity","-Infinity"]'


@pytest.mark.parametrize("signal", list(Signal))
@given(body=st.binary(max_size=200))
def test_any_bytes_are_admitted_or_refused(signal: Signal, body: bytes) -> None:
    """Nothing but InvalidInput comes out, by either encoding."""
    for encoding in Encoding:
        try:
            admitted = admit(signal, encoding, body)
        except InvalidInput:
            continue
        assert bool(admitted.payload) == bool(admitted.items)


@given(st.data())
def test_a_damaged_request_never_crashes(data: st.DataObject) -> None:
    """Flipped bytes of a real request are admitted, reduced or refused, and what is admitted can be read."""
    raw = bytearray(trace_request(4).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        admitted = admit(Signal.TRACES, Encoding.PROTOBUF, bytes(raw))
    except InvalidInput:
        return
    request = ExportTraceServiceRequest.FromString(admitted.payload)
    spans = [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
    assert len(spans) == admitted.items
    assert all(len(span.trace_id) == 16 and len(span.span_id) == 8 for span in spans)
