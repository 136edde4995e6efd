"""Series to OTLP, in both versions of the protocol, and that no body breaks the readers."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from collector.remote_write.queues import QueueMetrics
from collector.remote_write.series import MetricType, Series, read_v1, read_v2
from collector.remote_write.translate import BAD_TIME, CONFLICT, Translated, is_counter, translate
from collector.remote_write.types import Request
from core import InvalidInput
from tests.unit.collector_remote_write.senders import AT_MS, STALE, V2, v1

QUEUES = QueueMetrics()
UP = {"__name__": "up", "job": "erp/orders", "instance": "10.0.0.1:9090"}


def translated(request: Any) -> Translated:
    read = read_v2 if isinstance(request, Request) else read_v1
    return translate(read(request.SerializeToString()), QUEUES)


def metrics(found: Translated) -> dict[str, Metric]:
    return {
        metric.name: metric
        for resource in found.request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def texts(attributes: Iterable[Any]) -> dict[str, str]:
    return {one.key: one.value.string_value for one in attributes}


def test_job_and_instance_are_the_resource() -> None:
    """`namespace/name` is taken apart; scope labels name the scope; the rest are the point's attributes."""
    labels = UP | {"otel_scope_name": "shop", "otel_scope_version": "1.2", "path": "/a", "empty": ""}
    found = translated(v1((labels, [(1.0, AT_MS)])))
    (resource,) = found.request.resource_metrics
    assert texts(resource.resource.attributes) == {
        "service.name": "orders", "service.namespace": "erp", "service.instance.id": "10.0.0.1:9090",
    }  # fmt: skip
    (scope,) = resource.scope_metrics
    assert (scope.scope.name, scope.scope.version) == ("shop", "1.2")
    (point,) = scope.metrics[0].gauge.data_points
    assert texts(point.attributes) == {"path": "/a"}
    assert (point.as_double, point.time_unix_nano) == (1.0, AT_MS * 10**6)


@pytest.mark.parametrize("job", ["orders", "a/b/c", "/orders", "orders/"])
def test_other_jobs_are_the_name_whole(job: str) -> None:
    found = translated(v1((UP | {"job": job}, [(1.0, AT_MS)])))
    assert texts(found.request.resource_metrics[0].resource.attributes)["service.name"] == job


@pytest.mark.parametrize(
    ("name", "labels", "kind", "expected"),
    [
        ("http_requests_total", (), MetricType.UNSPECIFIED, True),
        ("http_seconds_count", (), MetricType.UNSPECIFIED, True),
        ("http_seconds_sum", (), MetricType.UNSPECIFIED, True),
        ("http_seconds_bucket", ("le",), MetricType.UNSPECIFIED, True),
        ("leaky_bucket", (), MetricType.UNSPECIFIED, False),
        ("up", (), MetricType.UNSPECIFIED, False),
        ("odd_counter", (), MetricType.COUNTER, True),
        ("jobs_total", (), MetricType.GAUGE, False),
        ("x_bucket", ("le",), MetricType.HISTOGRAM, True),
        ("x_bucket", ("le",), MetricType.GAUGE_HISTOGRAM, False),
        ("x", ("quantile",), MetricType.SUMMARY, False),
        ("x_count", (), MetricType.SUMMARY, True),
        ("x_info", (), MetricType.INFO, False),
        ("x", (), MetricType.STATE_SET, False),
    ],
)
def test_counters(name: str, labels: tuple[str, ...], kind: MetricType, expected: bool) -> None:
    assert is_counter(name, labels, kind) is expected


def test_version_2_says_what_a_metric_is() -> None:
    """Type, help, unit and start time; the older and the newer place of the start."""
    sender = V2()
    one = sender.add({"__name__": "odd", "job": "a"}, [(5.0, AT_MS)], kind=1, help_="Odd things.", unit="things")
    one.created_timestamp = AT_MS - 1000
    two = sender.add({"__name__": "even", "job": "a"}, [(6.0, AT_MS)], kind=1)
    two.samples[0].start_timestamp = AT_MS - 2000
    found = metrics(translated(sender.request))
    odd = found["odd"]
    assert (odd.description, odd.unit, odd.sum.is_monotonic, odd.sum.aggregation_temporality) == (
        "Odd things.", "things", True, 2,
    )  # fmt: skip
    assert odd.sum.data_points[0].start_time_unix_nano == (AT_MS - 1000) * 10**6
    assert found["even"].sum.data_points[0].start_time_unix_nano == (AT_MS - 2000) * 10**6


def test_a_stale_marker_is_a_point_without_a_value() -> None:
    """Another NaN is a value."""
    found = translated(v1((UP, [(STALE, AT_MS), (math.nan, AT_MS + 1)])))
    stale, other = metrics(found)["up"].gauge.data_points
    assert (stale.flags, stale.WhichOneof("value")) == (1, None)
    assert (other.flags, math.isnan(other.as_double)) == (0, True)


def test_order_and_repetition() -> None:
    """Out of order is well, the same again is written once, a contradiction is refused."""
    found = translated(v1((UP, [(2.0, AT_MS + 5), (1.0, AT_MS), (1.0, AT_MS), (1.0, AT_MS), (9.0, AT_MS)])))
    points = metrics(found)["up"].gauge.data_points
    assert [(point.as_double, point.time_unix_nano // 10**6) for point in points] == [(2.0, AT_MS + 5), (1.0, AT_MS)]
    assert (found.samples, found.items, dict(found.refused)) == (4, 2, {CONFLICT: 1})


def test_entries_of_one_series_are_one_series() -> None:
    """Whatever the order of their labels; exemplars may come in an entry of their own."""
    request = v1((UP, [(1.0, AT_MS), (2.0, AT_MS + 10)]))
    other = request.timeseries.add()
    for name, value in reversed(UP.items()):
        other.labels.add(name=name, value=value)
    for value, at, trace in ((0.5, AT_MS + 1, "ab" * 16), (0.7, AT_MS + 99, "no id")):
        exemplar = other.exemplars.add(value=value, timestamp=at)
        exemplar.labels.add(name="trace_id", value=trace)
        exemplar.labels.add(name="user", value="u")
    found = translated(request)
    first, second = metrics(found)["up"].gauge.data_points
    assert not first.exemplars
    one, two = second.exemplars
    assert (one.as_double, one.trace_id, texts(one.filtered_attributes)) == (0.5, b"\xab" * 16, {"user": "u"})
    assert (two.as_double, two.trace_id, texts(two.filtered_attributes)) == (
        0.7,
        b"",
        {"trace_id": "no id", "user": "u"},
    )
    assert found.exemplars == 2


def test_exemplars_without_a_sample_are_left_out() -> None:
    request = v1((UP, []))
    request.timeseries[0].exemplars.add(value=1.0, timestamp=AT_MS)
    found = translated(request)
    assert (found.items, found.exemplars, found.refused.total()) == (0, 0, 0)


@pytest.mark.parametrize("at", [0, -5, 1 << 62, -(1 << 63)])
def test_impossible_times(at: int) -> None:
    found = translated(v1((UP, [(1.0, at), (1.0, AT_MS)])))
    assert (found.samples, dict(found.refused)) == (1, {BAD_TIME: 1})


def test_a_bad_series_never_hurts_its_neighbours() -> None:
    """No name, a name twice, references into nothing: refused with its samples."""
    sender = V2()
    good = sender.references(UP)
    for references in (good[2:], [*good, *good[:2]], good[:3], [*good[:-1], 999], [*good, 0, 0]):
        one = sender.request.timeseries.add(labels_refs=references)
        one.samples.add(value=1.0, timestamp=AT_MS)
        one.samples.add(value=1.0, timestamp=AT_MS + 1)
    sender.add(UP, [(1.0, AT_MS)])
    found = translated(sender.request)
    assert (found.samples, found.refused.total()) == (1, 10)
    assert set(found.refused) == {
        "the label __name__ is missing", "a label name is there twice", "the number of label references is odd",
        "a reference points to symbol 999 of 7", "a label has no name",
    }  # fmt: skip


def test_the_first_symbol_is_empty() -> None:
    with pytest.raises(InvalidInput, match="first symbol"):
        list(read_v2(Request(symbols=["x"]).SerializeToString()))


_NAMES = st.text("abc_", min_size=1, max_size=4)
_LABELS = st.dictionaries(_NAMES, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), max_size=3)
_SAMPLES = st.lists(st.tuples(st.floats(), st.integers(1, 1 << 40)), max_size=5)


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@given(st.lists(st.tuples(_NAMES, _LABELS, _SAMPLES), max_size=5))
def test_both_versions_say_the_same(series: list[tuple[str, dict[str, str], list[tuple[float, int]]]]) -> None:
    """Every sample is a point or refused, none is invented, values keep their bits; both versions agree."""
    plain, sender = v1(), V2()
    sent: dict[tuple[Any, ...], set[bytes]] = {}
    for name, labels, samples in series:
        named = labels | {"__name__": name}
        plain.MergeFrom(v1((named, samples)))
        sender.add(named, samples)
        for value, at in samples:
            sent.setdefault((name, tuple(sorted(labels.items())), at * 10**6), set()).add(bits(value))
    one, two = translated(plain), translated(sender.request)
    assert one.request == two.request or "nan" in str(one.request)
    assert (one.samples, one.refused) == (two.samples, two.refused)
    assert one.samples + one.refused.total() == sum(len(samples) for _, _, samples in series)
    found = {
        (metric.name, tuple(sorted(texts(point.attributes).items())), point.time_unix_nano): bits(point.as_double)
        for resource in one.request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in (metric.sum if metric.HasField("sum") else metric.gauge).data_points
    }
    assert found.keys() == sent.keys()
    assert all(value in sent[key] for key, value in found.items())
    assert one.items == len(found)


@given(st.binary(max_size=300))
def test_no_body_breaks_the_readers(body: bytes) -> None:
    for read in (read_v1, read_v2):
        try:
            translate(read(body), QUEUES)
        except InvalidInput:
            continue


@given(st.integers(0, 255), st.integers(min_value=0))
def test_flipped_bytes_never_break_the_readers(byte: int, position: int) -> None:
    sender = V2()
    histogram = sender.add(UP | {"a": "b"}, [(1.0, AT_MS)]).histograms.add(
        count_int=3, schema=2, timestamp=AT_MS, sum=2
    )
    histogram.positive_spans.add(offset=3, length=2)
    histogram.positive_deltas.extend([1, 1])
    body = bytearray(sender.request.SerializeToString())
    body[position % len(body)] = byte
    try:
        found: list[Series] = list(read_v2(bytes(body)))
    except InvalidInput:
        return
    translate(found, QUEUES)
