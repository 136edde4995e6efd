"""A mid-size retailer's telemetry, hour by hour, sent as fast as asked: what is sent, and what was acknowledged.

120 stores and a web shop: 9,000 orders a day. A second of its day is, on average, 24 spans, 12 log records, 20 metric
points, 6 samples of remote write and 2 business events. The times in the data go as fast as the sending does.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import cramjam
import grpc
import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.remote_write.types import WriteRequest
from tests.faults.clients import METHODS, Doors

PROTOBUF = {"content-type": "application/x-protobuf"}
SERVICES = ("web-shop", "order-management", "warehouse", "payments", "returns", "pricing")
HOUR_NS = 3600 * 10**9
REPEATS, BAD, STRANGE = 0.02, 0.01, 0.005
"""Shares of requests that are sent twice, that are nonsense, and that carry an item from the far future."""


@dataclass
class Told:
    """What the senders know; items by signal. `strange`: items that belong into quarantine."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    oddities: list[str] = field(default_factory=list)
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Batch:
    """One request: `items` of it are usable, `strange` more belong into quarantine."""

    signal: str
    path: str
    headers: dict[str, str]
    body: bytes
    items: int
    strange: int = 0
    grpc: bool = False


class Day:
    """The retailer's clock: `hours` ago at the start, `speed` times as fast as ours."""

    def __init__(self, hours: float, speed: float) -> None:
        self._begun, self._speed = time.monotonic(), speed
        self._start_ns = time.time_ns() - int(hours * HOUR_NS)

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._start_ns + int((time.monotonic() - self._begun) * self._speed * 10**9)


class Stream:
    """One kind of data, `per_s` items a second of ours; `make` builds a request of so many items."""

    def __init__(
        self, doors: Doors, told: Told, make: Callable[[random.Random, int], Batch], items: int, per_s: float, seed: int
    ) -> None:
        self._doors, self._told, self._make, self._items = doors, told, make, items
        self._every_s, self._chance = items / per_s, random.Random(seed)
        self._stop = threading.Event()
        self._http = httpx.Client(timeout=20)
        self._channel: grpc.Channel | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """What is under way is waited for."""
        self._stop.set()
        self._thread.join()
        self._http.close()
        if self._channel:
            self._channel.close()

    def _run(self) -> None:
        due, count = time.monotonic(), 0
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._every_s, time.monotonic() - 2.0)  # a little may be caught up, not all
            count += 1
            if count % 200 == 0:
                self._reconnect()
            if self._chance.random() < BAD:
                self._nonsense()
            batch = self._make(self._chance, self._items)
            self._until_known(batch, first=True)
            if self._chance.random() < REPEATS:
                self._until_known(batch, first=False)

    def _until_known(self, batch: Batch, *, first: bool) -> None:
        """Like an exporter: the same bytes again until there is an answer."""
        told, lost = self._told, False
        while not self._stop.is_set() or lost:
            code = self._send(batch)
            with told.lock:
                told.requests += 1
                if code == "":
                    total = batch.items + batch.strange
                    told.acknowledged[batch.signal] += total
                    (told.strange if first else told.repeated)[batch.signal] += batch.strange if first else total
                    return
                (told.unknown if code == "unknown" else told.refused)[code] += 1
                if code.startswith("odd"):
                    told.oddities.append(code)
                    return
            lost = code == "unknown"
            self._reconnect()
            threading.Event().wait(0.2)

    def _send(self, batch: Batch) -> str:
        """Empty when acknowledged, "unknown" without an answer, else a code that says to come again."""
        try:
            if batch.grpc:
                if self._channel is None:
                    self._channel = grpc.insecure_channel(
                        self._doors.grpc, options=(("grpc.use_local_subchannel_pool", 1),)
                    )
                self._channel.unary_unary(METHODS[batch.signal])(batch.body, timeout=20)
                return ""
            answer = self._http.post(self._doors.http + batch.path, content=batch.body, headers=batch.headers)
        except httpx.HTTPError:
            return "unknown"
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
            return "unknown" if details is None else f"gRPC {error.code().name}"
        if answer.status_code in (200, 204):
            return ""
        retry = answer.status_code in (429, 503)
        return f"HTTP {answer.status_code}" if retry else f"odd HTTP {answer.status_code}: {answer.text[:120]}"

    def _nonsense(self) -> None:
        """Half of a request: 400, and nobody else notices."""
        try:
            answer = self._http.post(f"{self._doors.http}/v1/traces", content=b"\x0a\xff\x01half", headers=PROTOBUF)
        except httpx.HTTPError:
            return
        with self._told.lock:
            self._told.bad[f"HTTP {answer.status_code}"] += 1

    def _reconnect(self) -> None:
        self._http.close()
        self._http = httpx.Client(timeout=20)
        if self._channel:
            self._channel.close()
            self._channel = None


class Makers:
    """Builds requests; `day` gives their times. Items are unique."""

    def __init__(self, day: Day) -> None:
        self._day, self._next, self._lock = day, 0, threading.Lock()

    def _ids(self, count: int) -> range:
        with self._lock:
            self._next += count
            return range(self._next - count, self._next)

    def spans(self, chance: random.Random, count: int) -> Batch:
        """Traces of four spans, over gRPC."""
        now, request = self._day.now_ns(), ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        _text(resource.resource.attributes, "service.name", chance.choice(SERVICES))
        spans = resource.scope_spans.add().spans
        strange = int(chance.random() < STRANGE)
        for place, number in enumerate(self._ids(count + strange)):
            at = now - chance.randrange(10**9) if place < count else now + 400 * 24 * HOUR_NS
            span = spans.add(
                trace_id=(1 << 80 | number // 4 + 1).to_bytes(16, "big"), span_id=(number + 1).to_bytes(8, "big"),
                name=f"POST /step/{number % 7}", start_time_unix_nano=at,
                end_time_unix_nano=at + int(chance.expovariate(20) * 10**9),
            )  # fmt: skip
            _text(span.attributes, "http.request.method", "POST")
            _text(span.attributes, "retail.location.id", f"S-{chance.randrange(120):03d}")
            _text(span.attributes, "retail.stream", "order-to-cash")
            _text(span.attributes, "retail.case.id", f"O-{number // 24}")
        return Batch("traces", "", {}, request.SerializeToString(), count, strange, grpc=True)

    def logs(self, chance: random.Random, count: int) -> Batch:
        """Plain log records, over HTTP."""
        now, request = self._day.now_ns(), ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        _text(resource.resource.attributes, "service.name", chance.choice(SERVICES))
        records = resource.scope_logs.add().log_records
        for number in self._ids(count):
            record = records.add(
                time_unix_nano=now - chance.randrange(10**9), severity_number=chance.choice((9, 9, 9, 13, 17))
            )
            record.body.string_value = f"reserved line {number} at S-{chance.randrange(120):03d}"
        return Batch("logs", "/v1/logs", PROTOBUF, request.SerializeToString(), count)

    def points(self, chance: random.Random, count: int) -> Batch:
        """Queue depths and latencies, over HTTP."""
        now, request = self._day.now_ns(), ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        _text(resource.resource.attributes, "service.name", chance.choice(SERVICES))
        metrics = resource.scope_metrics.add().metrics
        for place, number in enumerate(self._ids(count)):
            metric = metrics.add(name="retail.queue.depth" if place % 2 else "http.server.requests")
            points = metric.gauge.data_points if place % 2 else metric.sum.data_points
            point = points.add(time_unix_nano=now + number % 10**6, as_int=chance.randrange(500))
            _text(point.attributes, "messaging.destination.name", f"queue-{place % 12}")
        return Batch("metrics", "/v1/metrics", PROTOBUF, request.SerializeToString(), count)

    def samples(self, chance: random.Random, count: int) -> Batch:
        """What a Prometheus forwards; a queue's depth is stored under its own name and ours."""
        now_ms, request = self._day.now_ns() // 10**6, WriteRequest()
        one: Any
        for place, _ in enumerate(self._ids(count)):
            one = request.timeseries.add()
            one.labels.add(name="__name__", value="rabbitmq_queue_messages")
            one.labels.add(name="queue", value=f"queue-{place}")
            one.samples.add(value=chance.randrange(900), timestamp=now_ms)
        headers = PROTOBUF | {"content-encoding": "snappy", "x-prometheus-remote-write-version": "0.1.0"}
        body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
        return Batch("metrics", "/api/v1/write", headers, body, 2 * count)

    def events(self, chance: random.Random, count: int) -> Batch:
        """Orders on their way, as CloudEvents."""
        now = datetime.fromtimestamp(self._day.now_ns() / 10**9, UTC)
        events = [
            {
                "specversion": "1.0", "id": f"e-{number}", "source": "/shop", "subject": f"O-{number // 4}",
                "type": ("retail.order.placed", "retail.order.validated")[number % 2], "time": now.isoformat(),
                "data": {"order_id": f"O-{number // 4}", "quantity": 3, "amount": "19.90", "currency": "EUR"},
            }
            for number in self._ids(count)
        ]  # fmt: skip
        headers = {"content-type": "application/cloudevents-batch+json"}
        return Batch("logs", "/v1/events", headers, json.dumps(events).encode(), count)


def streams(doors: Doors, told: Told, day: Day, speed: float) -> list[Stream]:
    """All that the retailer sends, not started."""
    makers = Makers(day)
    kinds = ((makers.spans, 100, 24), (makers.logs, 60, 12), (makers.points, 100, 20), (makers.samples, 60, 6))
    found = [Stream(doors, told, make, items, per_s * speed, seed) for seed, (make, items, per_s) in enumerate(kinds)]
    return [*found, Stream(doors, told, makers.events, 20, 2 * speed, len(kinds))]


def _text(attributes: Any, key: str, value: str) -> None:
    attributes.add(key=key).value.string_value = value
