"""Names with very many values are found, with who sends them; what is tame is not."""

from __future__ import annotations

import secrets
import time
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client import CollectorRegistry

from collector.cardinality import Cardinality
from core import Settings, SystemClock, load_settings
from storage import ClickHouse, SegmentMeta, Signal
from tests.unit.collector.support import trace_request


def attribute(item: Any, key: str, value: str) -> None:
    item.attributes.add(key=key).value.string_value = value


def fill(ch: ClickHouse, tenant: str, items: int) -> None:
    """Spans, records and points with an attribute of a value each, and one of three values."""
    traces, logs, metrics = trace_request(items), ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    gauge = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="queue.depth").gauge
    for index in range(items):
        now = time.time_ns()
        for one in (
            traces.resource_spans[0].scope_spans[0].spans[index],
            records.add(time_unix_nano=now, event_name="e"),
            gauge.data_points.add(time_unix_nano=now, as_int=1),
        ):
            attribute(one, "session.id", secrets.token_hex(8))
            attribute(one, "warehouse", f"WH-{index % 3}")
    for signal, request in ((Signal.TRACES, traces), (Signal.LOGS, logs), (Signal.METRICS, metrics)):
        ch.insert_otlp(signal, request.SerializeToString(), SegmentMeta(tenant, secrets.randbits(40), time.time_ns()))


def test_found_with_who_sends_it(clickhouse: ClickHouse, settings: Settings, tenant: str) -> None:
    """In all three signals, and as series of a metric; the sample is told, and so is the metric on /metrics."""
    fill(clickhouse, tenant, 400)
    registry = CollectorRegistry()
    chosen = load_settings(**settings.model_dump() | {"cardinality_threshold": 200})
    job = Cardinality(chosen, clickhouse, SystemClock(), registry)
    assert job.run() >= 4
    found = {(one.signal, one.place, one.name): one for one in job.findings(tenant)}
    assert set(found) == {
        ("traces", "item", "session.id"), ("logs", "item", "session.id"),
        ("metrics", "item", "session.id"), ("metrics", "series", "queue.depth"),
    }  # fmt: skip
    one = found["traces", "item", "session.id"]
    assert abs(one.distinct - 400) <= 8
    assert (one.state, one.services, one.rows, one.sampled_rows) == ("high", ["web-shop"], 400, 400)
    assert round(one.share, 2) == 0.44
    assert len(one.examples) == 3
    name = "opsintel_collector_high_cardinality_names"
    assert (registry.get_sample_value(name, {"signal": "metrics", "place": "series"}) or 0) >= 1
    assert job.findings("somebody else") == []


def test_growth_is_told(clickhouse: ClickHouse, settings: Settings, tenant: str) -> None:
    """Below the threshold, but twice what it was."""
    chosen = load_settings(**settings.model_dump() | {"cardinality_threshold": 5_000})
    job = Cardinality(chosen, clickhouse, SystemClock(), CollectorRegistry())
    old = job._clock.now().replace(minute=0, second=0, microsecond=0).timestamp() - 7_200
    clickhouse.command(
        "INSERT INTO attribute_cardinality (TenantId, Signal, Place, Name, Hour, DistinctValues)"
        " VALUES ({tenant:String}, 'traces', 'item', 'session.id', toDateTime({hour:UInt32}), 250)",
        {"tenant": tenant, "hour": int(old)},
    )
    fill(clickhouse, tenant, 600)
    job.run()
    one = next(one for one in job.findings(tenant) if one.signal == "traces")
    assert (one.state, one.distinct_then) == ("growing", 250)
