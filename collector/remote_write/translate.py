"""Series as an OTLP metrics request: what kind a metric is, whose it is, and what a stale marker means.

What a series is follows from 2.0's metadata, else from its name alone, so that a series never changes its table between
two requests. Samples may come in any order; a second one of the same time in one series is taken when it is the same,
and refused when it differs. It keeps nothing between requests. Points repeat the labels that a request names once, and
histograms their empty buckets: both are bounded.
https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

from __future__ import annotations

import math
import re
import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags

from collector.remote_write.histograms import CUSTOM_SCHEMA, BadHistogram, buckets_of, fill_explicit, fill_exponential
from collector.remote_write.queues import QueueMetrics
from collector.remote_write.series import NAME, Exemplar, Labels, MetricType, Series
from core import TooLarge

STALE = struct.pack("<Q", 0x7FF0000000000002)
"""The bits of the NaN that says: this series has ended."""
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_UNSPECIFIED = AggregationTemporality.AGGREGATION_TEMPORALITY_UNSPECIFIED
_NOTHING_RECORDED = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_GAUGE_RESET_HINT = 3
_LAST_MS = ((1 << 63) - 1) // 10**6
_RESOURCE, _SCOPE = frozenset({"job", "instance"}), frozenset({"otel_scope_name", "otel_scope_version"})
_HEX = {"trace_id": re.compile(r"[0-9a-fA-F]{32}", re.ASCII), "span_id": re.compile(r"[0-9a-fA-F]{16}", re.ASCII)}
BAD_TIME = "the time is before 1970 or after 2261"
CONFLICT = "the series has another value at the same time"
MAX_BUCKETS = 2_000_000
"""Buckets of all native histograms of a request."""
TOO_MANY_BUCKETS = f"the histograms of the request have more than {MAX_BUCKETS} buckets"


@dataclass
class Translated:
    """`request` has `items` points, those for queues included; what was written is counted as the sender counts."""

    request: Any = field(default_factory=ExportMetricsServiceRequest)
    items: int = 0
    samples: int = 0
    histograms: int = 0
    exemplars: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    characters: int = 0
    buckets: int = 0


def is_counter(name: str, labels: Iterable[str], kind: MetricType) -> bool:
    """Whether the value only rises: by the metadata, and without any by the suffixes of the exposition formats."""
    match kind:
        case MetricType.COUNTER:
            return True
        case MetricType.HISTOGRAM | MetricType.SUMMARY:
            return name.endswith(("_bucket", "_count", "_sum", "_total"))
        case MetricType.UNSPECIFIED:
            return name.endswith(("_total", "_count", "_sum")) or (name.endswith("_bucket") and "le" in labels)
    return False


def translate(found: Iterable[Series], queues: QueueMetrics, max_characters: int = 1 << 24) -> Translated:
    """One OTLP request of all usable series. Raises TooLarge when its texts have more than `max_characters`."""
    done = Translated()
    building = _Building(done.request)
    for series in _merged(found):
        if series.problem:
            done.refused[series.problem] += len(series.samples) + len(series.histograms)
            continue
        _Writer(series, queues, building, done, max_characters).write()
        if done.characters > max_characters:
            raise TooLarge(
                f"the labels of all samples have more than {max_characters} characters", hint="send fewer at once"
            )
    return done


def _merged(found: Iterable[Series]) -> Iterable[Series]:
    """Entries of the same labels as one series: a sender may put exemplars into an entry of their own."""
    by_labels: dict[Labels, Series] = {}
    bad = list[Series]()
    for series in found:
        if series.problem:
            bad.append(series)
            continue
        first = by_labels.setdefault(series.labels, series)
        if first is not series:
            first.samples = [*first.samples, *series.samples]
            first.histograms = [*first.histograms, *series.histograms]
            first.exemplars.extend(series.exemplars)
            first.start_ms = first.start_ms or series.start_ms
            if not first.type:
                first.type, first.help, first.unit = series.type, series.help, series.unit
    return [*by_labels.values(), *bad]


class _Building:
    """Finds or makes the resource, scope and metric that a point belongs to."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._scopes: dict[tuple[str, str, str, str], Any] = {}
        self._resources: dict[tuple[str, str], Any] = {}
        self._metrics: dict[tuple[int, str, str, int], Any] = {}

    def points(self, labels: dict[str, str], name: str, kind: str, unit: str, text: str, temporality: int) -> Any:
        job, instance = labels.get("job", ""), labels.get("instance", "")
        scope_name, scope_version = labels.get("otel_scope_name", ""), labels.get("otel_scope_version", "")
        scope = self._scopes.get((job, instance, scope_name, scope_version))
        if scope is None:
            scope = self._resource(job, instance).scope_metrics.add()
            scope.scope.name, scope.scope.version = scope_name, scope_version
            self._scopes[job, instance, scope_name, scope_version] = scope
        metric = self._metrics.get((id(scope), name, kind, temporality))
        if metric is None:
            metric = scope.metrics.add(name=name, unit=unit, description=text)
            data = getattr(metric, kind)
            data.SetInParent()
            if kind != "gauge":
                data.aggregation_temporality = temporality
            if kind == "sum":
                data.is_monotonic = True
            self._metrics[id(scope), name, kind, temporality] = metric
        return getattr(metric, kind).data_points

    def _resource(self, job: str, instance: str) -> Any:
        """`job` is the service, or `namespace/service`; `instance` names one process of it."""
        resource = self._resources.get((job, instance))
        if resource is None:
            resource = self._resources[job, instance] = self._request.resource_metrics.add()
            namespace, slash, name = job.partition("/")
            if not slash or not namespace or not name or "/" in name:
                namespace, name = "", job
            for key, value in (
                ("service.name", name), ("service.namespace", namespace), ("service.instance.id", instance),
            ):  # fmt: skip
                if value:
                    put(resource.resource.attributes, key, value)
        return resource


class _Writer:
    """One series into its points."""

    def __init__(
        self, series: Series, queues: QueueMetrics, building: _Building, done: Translated, max_characters: int
    ) -> None:
        self._series, self._building, self._done, self._limit = series, building, done, max_characters
        self._labels = dict(series.labels)
        self._name = self._labels[NAME]
        self._attributes = [
            (name, value)
            for name, value in series.labels
            if name != NAME and name not in _RESOURCE and name not in _SCOPE
        ]
        self._depth = queues.find(self._name, self._labels)
        self._size = sum(len(name) + len(value) for name, value in self._attributes)
        self._written = list[tuple[int, Any]]()

    def write(self) -> None:
        series = self._series
        parts = len(series.samples) + len(series.histograms)
        self._done.characters += len(series.help) + len(series.unit) + sum(len(n) + len(v) for n, v in series.labels)
        self._done.characters += parts * (self._size + (len(self._depth.queue) if self._depth else 0))
        self._done.characters += sum(len(n) + len(v) for found in series.exemplars for n, v in found.labels)
        if self._done.characters > self._limit:
            return  # the request is refused: nothing more is made of it
        if series.samples:
            self._numbers()
        if series.histograms:
            self._distributions()
        if series.exemplars and self._written:
            self._exemplars(series.exemplars)

    def _points(self, kind: str, temporality: int = 0) -> Any:
        series = self._series
        return self._building.points(self._labels, self._name, kind, series.unit, series.help, temporality)

    def _numbers(self) -> None:
        counter = is_counter(self._name, self._labels, self._series.type)
        points = self._points("sum", _CUMULATIVE) if counter else self._points("gauge")
        seen: dict[int, bytes] = {}
        for sample in self._series.samples:
            value, at = sample.value, sample.timestamp
            if not self._fresh(seen, at, struct.pack("<d", value)):
                continue
            point = points.add()
            if math.isnan(value) and struct.pack("<d", value) == STALE:
                point.flags = _NOTHING_RECORDED
            else:
                point.as_double = value
                if self._depth is not None and not math.isnan(value):
                    self._queue(at, value)
            self._finish(point, at, getattr(sample, "start_timestamp", 0))
            self._done.samples += 1

    def _distributions(self) -> None:
        seen: dict[int, bytes] = {}
        for found in self._series.histograms:
            explicit, gauge = found.schema == CUSTOM_SCHEMA, found.reset_hint == _GAUGE_RESET_HINT
            if not self._fresh(seen, found.timestamp, found.SerializeToString(deterministic=True), histogram=True):
                continue
            kind = "histogram" if explicit else "exponential_histogram"
            points = self._points(kind, _UNSPECIFIED if gauge else _CUMULATIVE)
            point = points.add()
            if struct.pack("<d", found.sum) == STALE:
                point.flags = _NOTHING_RECORDED
            else:
                try:
                    (fill_explicit if explicit else fill_exponential)(point, found)
                except BadHistogram as problem:
                    del points[-1]
                    self._done.refused[f"a native histogram cannot be used: {problem}"] += 1
                    continue
            self._done.buckets += buckets_of(point)
            if self._done.buckets > MAX_BUCKETS:
                del points[-1]
                self._done.refused[TOO_MANY_BUCKETS] += 1
                continue
            self._finish(point, found.timestamp, getattr(found, "start_timestamp", 0))
            self._done.histograms += 1

    def _fresh(self, seen: dict[int, bytes], at: int, bits: bytes, *, histogram: bool = False) -> bool:
        """Whether a point is to be made; the same once more is written already, a contradiction is refused."""
        if not 0 < at <= _LAST_MS:
            self._done.refused[BAD_TIME] += 1
            return False
        before = seen.setdefault(at, bits)
        if before is bits:
            return True
        if before != bits:
            self._done.refused[CONFLICT] += 1
        elif histogram:
            self._done.histograms += 1
        else:
            self._done.samples += 1
        return False

    def _finish(self, point: Any, at: int, start: int) -> None:
        point.time_unix_nano = at * 10**6
        start = start or self._series.start_ms
        if 0 < start <= at:
            point.start_time_unix_nano = start * 10**6
        for name, value in self._attributes:
            put(point.attributes, name, value)
        self._written.append((at, point))
        self._done.items += 1

    def _queue(self, at: int, value: float) -> None:
        depth = self._depth
        assert depth is not None
        points = self._building.points(self._labels, depth.metric, "gauge", depth.unit, "", 0)
        point = points.add(time_unix_nano=at * 10**6, as_double=value)
        put(point.attributes, "messaging.system", depth.system)
        put(point.attributes, "messaging.destination.name", depth.queue)
        if depth.group:
            put(point.attributes, "messaging.consumer.group.name", depth.group)
        self._done.items += 1

    def _exemplars(self, exemplars: list[Exemplar]) -> None:
        """Each goes to the first point that is not older, else to the newest."""
        self._written.sort(key=lambda one: one[0])
        times = [at for at, _ in self._written]
        for found in exemplars:
            if not 0 <= found.at_ms <= _LAST_MS:
                continue
            _, point = self._written[min(bisect_left(times, found.at_ms), len(times) - 1)]
            exemplar = point.exemplars.add(as_double=found.value, time_unix_nano=found.at_ms * 10**6)
            for name, value in found.labels:
                pattern = _HEX.get(name)
                if pattern and pattern.fullmatch(value):
                    setattr(exemplar, name, bytes.fromhex(value))
                else:
                    put(exemplar.filtered_attributes, name, value)
            self._done.exemplars += 1


def put(attributes: Any, key: str, value: str) -> None:
    """Appends a text attribute."""
    attribute = attributes.add()
    attribute.key = key
    attribute.value.string_value = value
