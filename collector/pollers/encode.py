"""Readings and health as one OTLP metrics request: gauges by metric name, one point for each queue.

The time of every point is the poll's. Values that are not known make no point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint

from collector.pollers import names
from collector.pollers.readings import QueueReading

_QUEUE_METRICS = (
    (names.DEPTH, "{item}", "depth"),
    (names.OLDEST_AGE, "s", "oldest_age_s"),
    (names.IN_FLIGHT, "{item}", "in_flight"),
    (names.OLDEST_IN_FLIGHT_AGE, "s", "oldest_in_flight_s"),
    (names.CONSUMERS, "{consumer}", "consumers"),
    (names.PUBLISH_RATE, "{item}/s", "publish_rate"),
    (names.DELIVER_RATE, "{item}/s", "deliver_rate"),
)


@dataclass(frozen=True)
class Health:
    """A poller's own numbers. `failures` count since `started_ns`; times are nanoseconds since the Unix epoch."""

    poller: str
    kind: str
    server: str
    up: bool
    duration_s: float
    started_ns: int
    last_success_s: float | None = None
    failures: Mapping[str, int] = field(default_factory=dict)


def encode(readings: Iterable[QueueReading], health: Health, at_ns: int) -> tuple[bytes, int]:
    """The serialized request and how many points it has."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    about = {"service.name": names.SERVICE, names.POLLER: health.poller, names.KIND: health.kind}
    if health.server:
        about[names.SERVER] = health.server
    resource.resource.attributes.extend(_attributes(about))
    scope = resource.scope_metrics.add()
    scope.scope.name = names.SCOPE
    for metric in (*_queues(list(readings), at_ns), *_own(health, at_ns)):
        scope.metrics.append(metric)
    points = sum(len(one.gauge.data_points) + len(one.sum.data_points) for one in scope.metrics)
    return request.SerializeToString(), points


def _queues(readings: list[QueueReading], at_ns: int) -> Iterator[Metric]:
    for name, unit, attribute in _QUEUE_METRICS:
        points = [
            _point(_identity(reading), getattr(reading, attribute), at_ns)
            for reading in readings
            if getattr(reading, attribute) is not None
        ]
        if points:
            yield _gauge(name, unit, points)
    parts = [
        _point({**_identity(reading), names.PARTITION: str(partition)}, depth, at_ns)
        for reading in readings
        for partition, depth in reading.partitions
    ]
    if parts:
        yield _gauge(names.PARTITION_DEPTH, "{item}", parts)


def _own(health: Health, at_ns: int) -> Iterator[Metric]:
    who = {names.POLLER: health.poller, names.KIND: health.kind}
    yield _gauge(names.UP, "1", [_point(who, float(health.up), at_ns)])
    yield _gauge(names.DURATION, "s", [_point(who, health.duration_s, at_ns)])
    if health.last_success_s is not None:
        yield _gauge(names.LAST_SUCCESS, "s", [_point(who, health.last_success_s, at_ns)])
    if health.failures:
        failures = Metric(name=names.FAILURES, unit="{poll}")
        failures.sum.is_monotonic = True
        failures.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        for reason, count in sorted(health.failures.items()):
            point = _point({**who, names.REASON: reason}, float(count), at_ns)
            point.start_time_unix_nano = health.started_ns
            failures.sum.data_points.append(point)
        yield failures


def _identity(reading: QueueReading) -> dict[str, str]:
    who = {names.SYSTEM: reading.system, names.DESTINATION: reading.destination}
    return {**who, names.CONSUMER_GROUP: reading.group} if reading.group else who


def _gauge(name: str, unit: str, points: list[NumberDataPoint]) -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.gauge.data_points.extend(points)
    return metric


def _point(attributes: Mapping[str, str], value: float, at_ns: int) -> NumberDataPoint:
    return NumberDataPoint(attributes=_attributes(attributes), time_unix_nano=at_ns, as_double=value)


def _attributes(values: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in values.items()]
