"""Every rule: what breaks it, what just does not, and what becomes of both."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.admission import Admitted, Encoding, admit
from collector.rules import SENTENCES, Reason, Rules, Verdict, reason_name
from core import load_settings
from storage import Signal

NOW = 1_800_000_000 * 10**9
TIGHT = Rules(
    past_ns=1_000, future_ns=100, attributes=6, key_bytes=20, value_bytes=30, name_bytes=20, body_bytes=60, events=6,
    links=6,
)  # fmt: skip
Change = Callable[[Any], None]


def spans(*changes: Change) -> ExportTraceServiceRequest:
    """A good span for each change, then changed, and a good one at both ends."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for index, change in enumerate((lambda _: None, *changes, lambda _: None)):
        change(
            scope.spans.add(
                name=str(index), trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=NOW, end_time_unix_nano=NOW
            )
        )
    return request


def records(*changes: Change) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for change in changes:
        record = scope.log_records.add(time_unix_nano=NOW, severity_text="INFO")
        change(record)
    return request


def points(kind: str, change: Change, name: str = "m") -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
    point = getattr(metric, kind).data_points.add(time_unix_nano=NOW)
    if kind in ("gauge", "sum"):
        point.as_int = 0
    change(point)
    return request


def put(signal: Signal, request: Any, rules: Rules = TIGHT) -> Admitted:
    return admit(signal, Encoding.PROTOBUF, request.SerializeToString(), rules, NOW)


def fields(**values: Any) -> Change:
    def change(item: Any) -> None:
        for name, value in values.items():
            if isinstance(value, list):
                getattr(item, name)[:] = value
            else:
                setattr(item, name, value)

    return change


def attribute(key: str = "k", text: str = "v", times: int = 1, inside: str = "") -> Change:
    def change(item: Any) -> None:
        holder = getattr(item, inside).add() if inside else item
        for _ in range(times):
            holder.attributes.add(key=key).value.string_value = text

    return change


def repeated(name: str, times: int) -> Change:
    return lambda item: [getattr(item, name).add() for _ in range(times)] and None


def nested(size: int) -> Change:
    return lambda item: item.attributes.add(key="k").value.array_value.values.add().__setattr__("string_value", "x" * size)  # fmt: skip # noqa: E501


SPAN_RULES: list[tuple[Reason, Change, Change]] = [
    (Reason.TOO_OLD, fields(start_time_unix_nano=NOW - 1_001), fields(start_time_unix_nano=NOW - 1_000)),
    (Reason.IN_THE_FUTURE, fields(end_time_unix_nano=NOW + 101), fields(end_time_unix_nano=NOW + 100)),
    (Reason.IN_THE_FUTURE, fields(start_time_unix_nano=2**64 - 1), fields(start_time_unix_nano=NOW - 1)),
    (Reason.END_BEFORE_START, fields(end_time_unix_nano=NOW - 1), fields(end_time_unix_nano=NOW)),
    (Reason.END_BEFORE_START, fields(end_time_unix_nano=0), fields(end_time_unix_nano=NOW + 1)),
    (Reason.NO_TIME, fields(start_time_unix_nano=0), fields(start_time_unix_nano=NOW)),
    (Reason.BAD_TRACE_ID, fields(trace_id=bytes(16)), fields(trace_id=b"\0" * 15 + b"1")),
    (Reason.BAD_SPAN_ID, fields(span_id=b"1234567"), fields(span_id=b"12345678")),
    (Reason.NAME_TOO_LONG, fields(name="ü" * 11), fields(name="ü" * 10)),
    (Reason.KEY_TOO_LONG, attribute(key="k" * 21), attribute(key="k" * 20)),
    (Reason.KEY_TOO_LONG, attribute(key="ü" * 11), attribute(key="ü" * 10)),
    (Reason.VALUE_TOO_LONG, attribute(text="x" * 31), attribute(text="x" * 30)),
    (Reason.VALUE_TOO_LONG, nested(40), nested(5)),
    (Reason.VALUE_TOO_LONG, attribute(text="x" * 31, inside="events"), attribute(text="x" * 30, inside="events")),
    (Reason.KEY_TOO_LONG, attribute(key="k" * 21, inside="links"), attribute(key="k" * 20, inside="links")),
    (Reason.TOO_MANY_ATTRIBUTES, attribute(times=7), attribute(times=6)),
    (Reason.TOO_MANY_ATTRIBUTES, attribute(times=7, inside="events"), attribute(times=6, inside="events")),
    (Reason.TOO_MANY_EVENTS, repeated("events", 7), repeated("events", 6)),
    (Reason.TOO_MANY_LINKS, repeated("links", 7), repeated("links", 6)),
]


@pytest.mark.parametrize(("reason", "bad", "good"), SPAN_RULES, ids=lambda value: value.slug if value in list(Reason) else "")  # fmt: skip # noqa: E501
def test_spans(reason: Reason, bad: Change, good: Change) -> None:
    """At the limit it passes, one beyond it does not; the neighbours stay."""
    assert put(Signal.TRACES, spans(good)).items == 3
    result = put(Signal.TRACES, spans(bad))
    kept = reason.verdict is Verdict.QUARANTINE
    assert (result.items, result.rejected, len(result.quarantined)) == (2, 0 if kept else 1, 1 if kept else 0)
    assert SENTENCES[reason] in result.reason
    if kept:
        (one,) = result.quarantined
        assert (one.reason, one.items) == (reason, 1)
        (span,) = ExportTraceServiceRequest.FromString(one.payload).resource_spans[0].scope_spans[0].spans
        assert span == spans(bad).resource_spans[0].scope_spans[0].spans[1]


RECORD_RULES: list[tuple[Reason, Change, Change]] = [
    (Reason.TOO_OLD, fields(time_unix_nano=NOW - 1_001), fields(time_unix_nano=NOW - 1_000)),
    (Reason.TOO_OLD, fields(time_unix_nano=0, observed_time_unix_nano=5), fields(observed_time_unix_nano=5)),
    (Reason.EMPTY_RECORD, fields(severity_text=""), fields(severity_text="", event_name="e")),
    (Reason.EMPTY_RECORD, fields(severity_text="", flags=1), fields(severity_text="", severity_number=1)),
    (Reason.NAME_TOO_LONG, fields(event_name="e" * 21), fields(event_name="e" * 20)),
    (Reason.BODY_TOO_LONG, lambda one: fields(string_value="x" * 61)(one.body), lambda one: fields(string_value="x" * 60)(one.body)),  # noqa: E501
    (Reason.VALUE_TOO_LONG, attribute(text="x" * 31), attribute(text="x" * 30)),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "bad", "good"), RECORD_RULES, ids=lambda value: value.slug if value in list(Reason) else "")  # fmt: skip # noqa: E501
def test_log_records(reason: Reason, bad: Change, good: Change) -> None:
    assert put(Signal.LOGS, records(good, good)).items == 2
    result = put(Signal.LOGS, records(good, bad))
    assert (result.items, SENTENCES[reason] in result.reason) == (1, True)
    assert [one.reason for one in result.quarantined] == ([reason] if reason.verdict is Verdict.QUARANTINE else [])


def test_a_record_without_any_time_was_observed_now() -> None:
    """OTLP asks that of whoever observes it first; one that has a time keeps it."""
    request = records(fields(time_unix_nano=0), fields(severity_text="WARN"))
    found = ExportLogsServiceRequest.FromString(put(Signal.LOGS, request).payload).resource_logs[0].scope_logs[0]
    assert [(one.time_unix_nano, one.observed_time_unix_nano) for one in found.log_records] == [(0, NOW), (NOW, 0)]


def stale(point: Any) -> None:
    """No value, and a flag that says so."""
    point.ClearField("as_int")
    point.flags = 1


POINT_RULES: list[tuple[Reason, str, Change, Change]] = [
    (Reason.NO_TIME, "gauge", fields(time_unix_nano=0), fields(time_unix_nano=NOW)),
    (Reason.TOO_OLD, "sum", fields(time_unix_nano=NOW - 1_001), fields(start_time_unix_nano=5)),
    (Reason.END_BEFORE_START, "sum", fields(start_time_unix_nano=NOW + 1), fields(start_time_unix_nano=NOW)),
    (Reason.NO_VALUE, "gauge", lambda one: one.ClearField("as_int"), stale),
    (Reason.BAD_BUCKETS, "histogram", fields(bucket_counts=[1], explicit_bounds=[1.0]), fields(bucket_counts=[1, 0], explicit_bounds=[1.0], count=1)),  # noqa: E501
    (Reason.BAD_BUCKETS, "histogram", fields(bucket_counts=[0] * 3, explicit_bounds=[2.0, 2.0]), fields(bucket_counts=[0] * 3, explicit_bounds=[2.0, 2.1])),  # noqa: E501
    (Reason.BAD_BUCKETS, "histogram", fields(bucket_counts=[0] * 2, explicit_bounds=[math.nan]), fields(count=5)),
    (Reason.COUNT_MISMATCH, "histogram", fields(bucket_counts=[4], count=5), fields(bucket_counts=[5], count=5)),
    (Reason.COUNT_MISMATCH, "exponential_histogram", fields(zero_count=1), fields(zero_count=1, count=1)),
    (Reason.BAD_QUANTILE, "summary", lambda one: one.quantile_values.add(quantile=1.1) and None, lambda one: one.quantile_values.add(quantile=1.0) and None),  # noqa: E501
    (Reason.VALUE_TOO_LONG, "gauge", attribute(text="x" * 31), attribute(text="x" * 30)),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "kind", "bad", "good"), POINT_RULES, ids=lambda value: value.slug if value in list(Reason) else str(value) if isinstance(value, str) else "")  # fmt: skip # noqa: E501
def test_metric_points(reason: Reason, kind: str, bad: Change, good: Change) -> None:
    assert put(Signal.METRICS, points(kind, good)).items == 1
    result = put(Signal.METRICS, points(kind, bad))
    assert (result.items, SENTENCES[reason] in result.reason) == (0, True)
    if result.quarantined:
        (metric,) = ExportMetricsServiceRequest.FromString(result.quarantined[0].payload).resource_metrics[0].scope_metrics[0].metrics  # fmt: skip # noqa: E501
        assert (metric.name, metric.WhichOneof("data")) == ("m", kind)


def test_a_metric_must_have_a_name() -> None:
    assert SENTENCES[Reason.NO_METRIC_NAME] in put(Signal.METRICS, points("gauge", fields(), name="")).reason
    assert put(Signal.METRICS, points("gauge", fields(), name="m" * 21)).quarantined[0].reason is Reason.NAME_TOO_LONG


@pytest.mark.parametrize("where", ["resource", "scope"])
def test_a_resource_or_scope_over_a_limit_takes_all_its_items_with_it(where: str) -> None:
    """What would be rejected anyway still is."""
    request = spans(fields(trace_id=b""))
    above = request.resource_spans[0]
    attribute(text="x" * 31)(above.resource if where == "resource" else above.scope_spans[0].scope)
    result = put(Signal.TRACES, request)
    assert (result.items, result.rejected, [one.items for one in result.quarantined]) == (0, 1, [2])


def test_odd_numbers_are_no_reason() -> None:
    """OTLP allows NaN and infinities as values; they are stored as they are."""
    for value in (math.nan, math.inf, -math.inf):
        assert put(Signal.METRICS, points("gauge", fields(as_double=value))).items == 1


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, len(SPAN_RULES)), min_size=1, max_size=600), st.booleans())
def test_any_mixture_adds_up(kinds: list[int], without: bool) -> None:
    """Each item is in exactly one place; nothing is changed; what is replayed without rules is all there."""
    request = spans(*(SPAN_RULES[kind][1] if kind < len(SPAN_RULES) else fields() for kind in kinds))
    body = request.SerializeToString()
    result = admit(Signal.TRACES, Encoding.PROTOBUF, body, TIGHT, NOW, quarantine=not without)
    kept = sum(one.items for one in result.quarantined)
    assert result.items + result.rejected + kept == len(kinds) + 2
    assert not (without and result.quarantined)
    wanted = {kind: kinds.count(kind) for kind in set(kinds)}
    for one in result.quarantined:
        assert one.items == sum(count for kind, count in wanted.items() if kind < len(SPAN_RULES) and SPAN_RULES[kind][0] is one.reason)  # fmt: skip # noqa: E501
        loose = TIGHT.without_window().without_limits()
        again = admit(Signal.TRACES, Encoding.PROTOBUF, one.payload, loose, NOW)
        assert (again.items, again.reason) == (one.items, "")


def test_the_documented_table_is_the_code() -> None:
    """Every reason with its verdict, and every setting, in docs/quarantine.md."""
    text = (Path(__file__).parents[3] / "docs" / "quarantine.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `([a-z_]+)` \| [0-9]+ \|.*\| (reject|quarantine) \|$", text, re.MULTILINE))
    assert told == {reason.slug: reason.verdict.value for reason in Reason}
    for reason in Reason:
        assert f"| `{reason.slug}` | {int(reason)} |" in text


def test_codes_are_for_ever() -> None:
    """They stand in logs and tables."""
    assert {reason.slug: int(reason) for reason in Reason} == {
        "too_old": 1, "in_the_future": 2, "end_before_start": 3, "name_too_long": 4, "key_too_long": 5,
        "value_too_long": 6, "too_many_attributes": 7, "too_many_events": 8, "too_many_links": 9, "count_mismatch": 10,
        "body_too_long": 11, "bad_trace_id": 100, "bad_span_id": 101, "no_time": 102, "empty_record": 103,
        "no_metric_name": 104, "no_value": 105, "bad_buckets": 106, "bad_quantile": 107,
    }  # fmt: skip
    assert set(SENTENCES) == set(Reason)
    assert (reason_name(3), reason_name(77)) == ("end_before_start", "reason_77")


def test_zero_means_no_limit() -> None:
    none = Rules(0, 0, 0, 0, 0, 0, 0, 0, 0, plausible=False)
    for reason, bad, _ in SPAN_RULES:
        if reason.verdict is Verdict.QUARANTINE:
            assert put(Signal.TRACES, spans(bad), none).items == 3
    assert Rules.of(load_settings()) == Rules()
