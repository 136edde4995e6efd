"""OTLP/JSON: what is one, what is none, and where the first mistake is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.admission import Encoding, admit
from collector.otlp_json import MAX_NESTING
from core import InvalidInput
from storage import Signal

SPAN = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174",
        "startTimeUnixNano": "1", "endTimeUnixNano": "2"}  # fmt: skip


def admitted(**span: Any) -> Any:
    """The one span, after its way in."""
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN | span]}]}]}
    payload = admit(Signal.TRACES, Encoding.JSON, json.dumps(document).encode()).payload
    return ExportTraceServiceRequest.FromString(payload).resource_spans[0].scope_spans[0].spans[0]


def test_ids_are_hexadecimal_in_either_case() -> None:
    """Not base64, unlike protobuf's own JSON."""
    span = admitted(parentSpanId="00F067AA0BA902B7")
    assert (span.trace_id.hex(), span.span_id.hex()) == (SPAN["traceId"].lower(), SPAN["spanId"])
    assert span.parent_span_id.hex() == "00f067aa0ba902b7"


def test_a_bad_id_costs_its_span_alone() -> None:
    """As over protobuf: rejected and counted, the neighbour goes in."""
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN, SPAN | {"traceId": "zz" * 16}]}]}]}
    result = admit(Signal.TRACES, Encoding.JSON, json.dumps(document).encode())
    assert (result.items, result.rejected) == (1, 1)


def test_leniency() -> None:
    """Unknown fields, original field names and null are no values."""
    span = admitted(startTimeUnixNano=17, endTimeUnixNano="18446744073709551615", zzz={"deep": [1]}, links=None,
                    parent_span_id="00f067aa0ba902b7", name="ünï", kind=3, droppedLinksCount=1.0)  # fmt: skip
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (17, 2**64 - 1)
    assert (span.parent_span_id, span.name, span.kind, span.dropped_links_count) == (b"", "ünï", 3, 1)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ({"startTimeUnixNano": -1}, "startTimeUnixNano: wanted an integer from 0"),
        ({"startTimeUnixNano": "1e3"}, "startTimeUnixNano"),
        ({"startTimeUnixNano": 1.5}, "startTimeUnixNano"),
        ({"startTimeUnixNano": True}, "startTimeUnixNano"),
        ({"startTimeUnixNano": "1" * 5000}, "startTimeUnixNano"),
        ({"kind": "SPAN_KIND_SERVER"}, "kind: wanted the enum value as an integer"),
        ({"name": 5}, "name: wanted a string"),
        ({"attributes": {}}, "attributes: wanted a list"),
        ({"attributes": [5]}, "resourceSpans[0].scopeSpans[0].spans[0].attributes[0]: wanted an object, got 5"),
        ({"attributes": [None]}, "attributes[0]: wanted an object"),
        ({"attributes": [{"key": "a", "value": {"stringValue": "a", "intValue": 1}}]}, "one kind of value"),
        ({"attributes": [{"key": "a", "value": {"boolValue": "true"}}]}, "value.boolValue: wanted true or false"),
        ({"attributes": [{"key": "a", "value": {"bytesValue": "a*b="}}]}, "base64"),
        ({"attributes": [{"key": "a", "value": {"doubleValue": "1e999"}}]}, "range of a double"),
        ({"attributes": [{"key": "a", "value": {"arrayValue": {"values": [{"intValue": "x"}]}}}]}, "intValue"),
        ({"status": []}, "status: wanted an object"),
        ({"links": [{"traceId": "xyz"}]}, "links[0].traceId: wanted hexadecimal digits"),
        ({"parentSpanId": "0 0f067aa0ba902b"}, "hexadecimal"),
    ],
    ids=lambda value: None if isinstance(value, str) else json.dumps(value)[:50],
)
def test_mistakes_are_named_with_their_place(span: dict[str, Any], message: str) -> None:
    """A caller finds the value that we mean."""
    with pytest.raises(InvalidInput) as problem:
        admitted(**span)
    assert message in str(problem.value)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b"null", b'{"resourceSpans": 5}', b"\xff\xfe{}", b"[" * 9999])
def test_what_is_no_request(body: bytes) -> None:
    """Neither broken JSON nor another shape of it."""
    with pytest.raises(InvalidInput):
        admit(Signal.TRACES, Encoding.JSON, body)


def test_nesting_is_bounded() -> None:
    """Deep enough for people, too shallow for the stack."""

    def nested(depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {"intValue": "1"}
        for _ in range(depth):
            value = {"arrayValue": {"values": [value]}}
        return {"attributes": [{"key": "deep", "value": value}]}

    assert admitted(**nested(MAX_NESTING)).attributes[0].value.string_value == "[" * 64 + "1" + "]" * 64
    with pytest.raises(InvalidInput, match="at most 64 deep"):
        admitted(**nested(MAX_NESTING + 1))


def test_bytes_in_either_alphabet() -> None:
    """With or without padding."""
    for text in ("+//+/w==", "-__-_w", "+//+/w", "-__-_w=="):
        assert admitted(attributes=[{"key": "b", "value": {"bytesValue": text}}]).attributes[0].value.bytes_value == (
            b"\xfb\xff\xfe\xff"
        )


def test_metric_points() -> None:
    """Numbers with names, 64-bit integers as text, nested messages, optional fields."""
    points = [{"asInt": "-5"}, {"asDouble": "NaN"}, {"asDouble": 2, "exemplars": [{"asInt": 3, "traceId": "ab" * 16}]}]
    points = [{"timeUnixNano": "5"} | point for point in points]
    histogram = {
        "dataPoints": [{"timeUnixNano": 5, "count": "3", "sum": 0.0, "bucketCounts": ["1", 2], "explicitBounds": [1]}]
    }
    document = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "g", "gauge": {"dataPoints": points}},
        {"name": "h", "histogram": histogram | {"aggregationTemporality": 2}}]}]}]}  # fmt: skip
    result = admit(Signal.METRICS, Encoding.JSON, json.dumps(document).encode())
    assert result.items == 4
    gauge, found = ExportMetricsServiceRequest.FromString(result.payload).resource_metrics[0].scope_metrics[0].metrics
    assert [point.WhichOneof("value") for point in gauge.gauge.data_points] == ["as_int", "as_double", "as_double"]
    assert gauge.gauge.data_points[2].exemplars[0].trace_id == b"\xab" * 16
    (point,) = found.histogram.data_points
    assert (point.count, point.HasField("sum"), point.HasField("min"), list(point.bucket_counts)) == (3, True, False, [1, 2])  # fmt: skip # noqa: E501


def test_one_member_of_a_oneof() -> None:
    """Two values of one point are a contradiction, not a choice."""
    points = [{"asInt": "-5", "asDouble": 1}]
    document = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"gauge": {"dataPoints": points}}]}]}]}
    with pytest.raises(InvalidInput, match="one member of 'value'"):
        admit(Signal.METRICS, Encoding.JSON, json.dumps(document).encode())
