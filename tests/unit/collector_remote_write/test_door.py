"""Remote write through the whole collector: real sockets, a real log, the real engine."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import cramjam
import pytest

from collector.ledger import LedgerEntry
from core import Settings, SystemClock
from metrics import queue_depths
from storage import ClickHouse, StateDb
from tests.unit.collector.support import FaultyFiles
from tests.unit.collector.test_collector import Service
from tests.unit.collector_remote_write.senders import AT_MS, HEADERS, STALE, V2, pack, v1

PATH = "/api/v1/write"
UP = {"__name__": "up", "job": "orders", "instance": "one"}
Answered = tuple[int, bytes, http.client.HTTPResponse]


def send(service: Service, request: Any, version: int = 1, **headers: str) -> Answered:
    raw = request if isinstance(request, bytes) else pack(request)
    sent = {"content_encoding": "snappy"} | HEADERS[version] | headers
    return service.post(raw, sent.pop("content_type"), PATH, **sent)


def written(answer: Answered) -> list[str | None]:
    names = ("Samples", "Histograms", "Exemplars")
    return [answer[2].headers.get(f"X-Prometheus-Remote-Write-{name}-Written") for name in names]


@pytest.fixture
def service(settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str) -> Iterator[Service]:
    running = Service(settings, clickhouse, state, tenant)
    yield running
    running.close()


def rows(ch: ClickHouse, table: str, columns: str, tenant: str) -> list[tuple[Any, ...]]:
    statement = f"SELECT {columns} FROM otel_metrics_{table} WHERE TenantId = {{tenant:String}} ORDER BY ALL"
    return [tuple(row) for row in ch.query(statement, {"tenant": tenant}).rows]


def test_version_1_ends_in_the_tables(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """Counters by suffix, everything else is a gauge; the answer is empty."""
    total = UP | {"__name__": "http_requests_total", "path": "/a"}
    answer = send(service, v1((UP, [(1.0, AT_MS), (STALE, AT_MS + 1000)]), (total, [(7.0, AT_MS)])))
    assert (answer[0], answer[1], written(answer)) == (204, b"", ["3", "0", "0"])
    assert service.post(b"", "application/json", "/v1/metrics")[0] == 400, "the connection goes on after a 204"
    assert service.collector.flush()
    columns = "MetricName, ServiceName, Value, Flags, toUnixTimestamp64Milli(TimeUnix)"
    assert rows(clickhouse, "gauge", columns, tenant) == [
        ("up", "orders", 0.0, 1, AT_MS + 1000), ("up", "orders", 1.0, 0, AT_MS),
    ]  # fmt: skip
    columns = "MetricName, Value, IsMonotonic, AggregationTemporality, Attributes['path']"
    assert rows(clickhouse, "sum", columns, tenant) == [("http_requests_total", 7.0, True, 2, "/a")]
    instance = rows(clickhouse, "sum", "ResourceAttributes['service.instance.id']", tenant)
    assert instance == [("one",)]
    assert service.collector.ledger.totals(tenant)["metrics"] == LedgerEntry(stored=3)


def test_version_2_ends_in_the_tables(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """Metadata, start time, native histogram and exemplar."""
    sender = V2()
    one = sender.add(UP | {"__name__": "rpc_seconds"}, kind=3, help_="How long.", unit="seconds")
    one.created_timestamp = AT_MS - 60_000
    found = one.histograms.add(count_int=6, sum=12.5, schema=1, zero_count_int=1, zero_threshold=1e-9, timestamp=AT_MS)
    found.positive_spans.add(offset=2, length=2)
    found.positive_spans.add(offset=1, length=1)
    found.positive_deltas.extend([2, -1, 1])
    trace = sender.references({"trace_id": "ab" * 16, "span_id": "cd" * 8})
    one.exemplars.add(labels_refs=trace, value=1.5, timestamp=AT_MS)
    sender.add(UP | {"__name__": "plain"}, [(1.0, AT_MS)], kind=1)
    answer = send(service, sender.request, 2)
    assert (answer[0], written(answer)) == (204, ["1", "1", "1"])
    assert service.collector.flush()
    columns = (
        "MetricName, MetricDescription, MetricUnit, Count, Sum, Scale, ZeroCount, PositiveOffset, "
        "PositiveBucketCounts, toUnixTimestamp64Milli(StartTimeUnix), lower(`Exemplars.TraceId`[1]), "
        "`Exemplars.Value`, AggregationTemporality"
    )
    assert rows(clickhouse, "exponential_histogram", columns, tenant) == [
        ("rpc_seconds", "How long.", "seconds", 6, 12.5, 1, 1, 1, [2, 1, 0, 2], AT_MS - 60_000, "ab" * 16, [1.5], 2)
    ]
    assert rows(clickhouse, "sum", "MetricName, Value", tenant) == [("plain", 1.0)]


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_refused_is_said_and_the_rest_is_written(
    version: int, service: Service, clickhouse: ClickHouse, tenant: str
) -> None:
    """400, so that it is not sent again, with counts and reasons."""
    nameless = {"job": "orders"}
    series = [(UP, [(1.0, AT_MS), (2.0, AT_MS)]), (nameless, [(1.0, AT_MS)])]
    sender = V2()
    for labels, samples in series:
        sender.add(labels, samples)
    answer = send(service, v1(*series) if version == 1 else sender.request, version)
    assert (answer[0], written(answer)) == (400, ["1", "0", "0"])
    assert answer[1].decode() == (
        "2 of 3 samples were rejected: 1 because the label __name__ is missing; "
        "1 because the series has another value at the same time\n"
    )
    assert service.collector.flush()
    assert rows(clickhouse, "gauge", "Value", tenant) == [(1.0,)]
    assert service.registry.get_sample_value("opsintel_collector_rejected_items_total", {"signal": "metrics"}) == 2


def test_an_empty_request_is_well(service: Service) -> None:
    assert send(service, v1())[0] == 204


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, b"no snappy", {}),
        (400, bytes(cramjam.snappy.compress_raw(b"\xff" * 11)), {}),
        (413, bytes(cramjam.snappy.compress_raw(bytes(17 << 20))), {}),
        (415, b"", {"content_encoding": "gzip"}),
        (415, b"", {"content_encoding": ""}),
        (415, b"", {"content_type": "application/json"}),
        (415, b"", {"content_type": "application/x-protobuf;proto=io.prometheus.write.v9.Request"}),
        (401, b"", {"authorization": "Bearer wrong"}),
        (403, b"", {"authorization": "Bearer viewer"}),
    ],
    ids=str,
)
def test_errors_are_lines_of_text(status: int, body: bytes, headers: dict[str, str], service: Service) -> None:
    found, answer, response = send(service, body, **headers)
    assert (found, response.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert answer.endswith(b"\n")
    assert "retry-after" not in response.headers


def test_a_log_that_cannot_be_written_is_said_so(
    settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str
) -> None:
    """503 with a delay: the sender keeps the samples and comes again."""
    service = Service(settings, clickhouse, state, tenant, files=FaultyFiles("sync", 2))
    answer = send(service, v1((UP, [(1.0, AT_MS)])))
    assert answer[0] == 503
    assert 5 <= int(answer[2].headers["retry-after"]) <= 10
    assert written(answer) == [None] * 3
    assert send(service, v1((UP, [(1.0, AT_MS)])))[0] == 204
    assert service.close()
    assert rows(clickhouse, "gauge", "Value", tenant) == [(1.0,)]


def test_queue_exporters_need_no_change(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """What RabbitMQ's plugin says is stored as it is, and read as a queue; a stale marker is no depth of 0."""
    clock = SystemClock()
    now = clock.time_ns() // 10**6
    labels = {"__name__": "rabbitmq_queue_messages", "vhost": "/", "queue": "orders", "job": "rabbitmq"}
    samples = [(12.0, now - 30_000), (17.0, now - 15_000), (STALE, now)]
    answer = send(service, v1((labels, samples)))
    assert (answer[0], written(answer)[0]) == (204, "3")
    assert service.collector.flush()
    (queue,) = queue_depths(clickhouse, tenant, clock.now(), timedelta(hours=1))
    assert (queue.system, queue.destination, queue.depth) == ("rabbitmq", "orders", 17.0)
    names = [row[0] for row in rows(clickhouse, "gauge", "MetricName", tenant)]
    assert names == ["rabbitmq_queue_messages"] * 3 + ["retail.queue.depth"] * 2
    assert service.collector.ledger.totals(tenant)["metrics"] == LedgerEntry(stored=5)
