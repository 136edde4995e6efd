"""Clients that push a known set: every request has a number, every item is unique, every answer is written down.

Half of the clients behave like OTLP exporters and send the same bytes again when the outcome is unknown or the answer
says that a repetition may help; the others never do, so that what was refused can be looked for in the tables.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import grpc
import httpx
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

SIGNALS = ("traces", "logs", "metrics")
ANSWERS: dict[str, Any] = {
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
    "metrics": ExportMetricsServiceResponse,
}
METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
ITEMS = 10
PAUSE_S = 0.02
TIMEOUT_S = 20.0
KEY = "fault.request"


class Outcome(StrEnum):
    """What the client knows of a request."""

    UNKNOWN = "unknown"
    REFUSED = "refused"
    ACKNOWLEDGED = "acknowledged"


@dataclass
class Sent:
    """One request; `outcome` is that of the last try, an acknowledgement is never forgotten."""

    number: int
    signal: str
    via: str
    body: bytes
    repeats: bool
    outcome: Outcome = Outcome.UNKNOWN
    was_unknown: bool = False


@dataclass
class Book:
    """Thread-safe record of everything that was sent."""

    sent: list[Sent] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    without_delay: Counter[str] = field(default_factory=Counter)
    oddities: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def items(self, outcome: Outcome) -> int:
        """How many items have it."""
        with self.lock:
            return ITEMS * sum(1 for one in self.sent if one.outcome is outcome)

    def new(self, signal: str, via: str, repeats: bool) -> Sent:
        """The next request."""
        with self.lock:
            number = len(self.sent) + 1
            made = Sent(number, signal, via, b"", repeats)
            self.sent.append(made)
        made.body = _body(signal, via, number)
        return made


@dataclass(frozen=True)
class Doors:
    """Where to push."""

    http: str
    grpc: str


def _body(signal: str, via: str, number: int) -> bytes:
    now = time.time_ns()
    request: Any
    if signal == "traces":
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        for item in range(ITEMS):
            span = scope.spans.add(
                trace_id=(1 << 64 | number).to_bytes(16, "big"), span_id=(number << 16 | item + 1).to_bytes(8, "big"),
                name="pick", start_time_unix_nano=now, end_time_unix_nano=now + 1000,
            )  # fmt: skip
            span.attributes.add(key=KEY).value.string_value = str(number)
    elif signal == "logs":
        request = ExportLogsServiceRequest()
        logs = request.resource_logs.add().scope_logs.add()
        for item in range(ITEMS):
            record = logs.log_records.add(time_unix_nano=now)
            record.body.string_value = f"{number}-{item}"
            record.attributes.add(key=KEY).value.string_value = str(number)
    else:
        request = ExportMetricsServiceRequest()
        metrics = request.resource_metrics.add().scope_metrics.add().metrics
        for item in range(ITEMS):
            metric = metrics.add(name="retail.queue.depth")
            points = metric.gauge.data_points if item % 2 else metric.sum.data_points
            point = points.add(time_unix_nano=now + item, as_int=item)
            point.attributes.add(key=KEY).value.string_value = str(number)
            point.attributes.add(key="fault.item").value.int_value = item
    if via != "json":
        return bytes(request.SerializeToString())
    document = MessageToDict(request)
    for one in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        item = int.from_bytes(base64.b64decode(one["spanId"]), "big")
        one["traceId"], one["spanId"] = f"{1 << 64 | number:032x}", f"{item:016x}"
    return json.dumps(document).encode()


class Client:
    """One connection to the doors, made anew after every failure and now and then."""

    def __init__(self, book: Book, doors: Callable[[], Doors]) -> None:
        self._book, self._doors = book, doors
        self._http: httpx.Client | None = None
        self._channel: grpc.Channel | None = None
        self._used = 0

    def deliver(self, one: Sent) -> Outcome:
        """Sends it once, and writes down what came of it."""
        self._used += 1
        if self._used % 20 == 0:
            self.close()  # the next connection may go to another receiver
        try:
            outcome = self._over_grpc(one) if one.via == "grpc" else self._over_http(one)
        except (httpx.HTTPError, OSError):
            outcome = Outcome.UNKNOWN
        if outcome is not Outcome.ACKNOWLEDGED:
            self.close()
        with self._book.lock:
            one.outcome = outcome
            one.was_unknown |= outcome is Outcome.UNKNOWN
        return outcome

    def _over_http(self, one: Sent) -> Outcome:
        if self._http is None:
            self._http = httpx.Client(timeout=TIMEOUT_S)
        kind = "application/json" if one.via == "json" else "application/x-protobuf"
        url = f"{self._doors().http}/v1/{one.signal}"
        answer = self._http.post(url, content=one.body, headers={"content-type": kind})
        if answer.status_code == 200:
            said = answer.json() if one.via == "json" else ANSWERS[one.signal].FromString(answer.content)
            self._check(said)
            return Outcome.ACKNOWLEDGED
        self._refused(f"HTTP {answer.status_code}", "retry-after" in answer.headers)
        return Outcome.REFUSED

    def _over_grpc(self, one: Sent) -> Outcome:
        if self._channel is None:
            self._channel = grpc.insecure_channel(
                self._doors().grpc, options=(("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
            )
        call = self._channel.unary_unary(METHODS[one.signal])
        try:
            said = ANSWERS[one.signal].FromString(call(one.body, timeout=TIMEOUT_S))
        except grpc.RpcError as error:
            return self._grpc_failed(error)
        self._check(said)
        return Outcome.ACKNOWLEDGED

    def _grpc_failed(self, error: Any) -> Outcome:
        """A refusal has a status of the product's in its trailer; else the connection broke."""
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        if details is None and error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Outcome.UNKNOWN
        status = Status.FromString(details or b"")
        delay = any(one.Is(RetryInfo.DESCRIPTOR) for one in status.details)
        self._refused(f"gRPC {error.code().name}", delay)
        return Outcome.REFUSED

    def _refused(self, code: str, delay: bool) -> None:
        with self._book.lock:
            self._book.refusals[code] += 1
            if not delay:
                self._book.without_delay[code] += 1

    def _check(self, said: Any) -> None:
        """Items may be set aside (the clock may be wrong); rejected they may not be."""
        if re.search(r"rejected\w*\W+[1-9]", str(said)):
            with self._book.lock:
                self._book.oddities.append(f"partial success: {said}"[:200])

    def close(self) -> None:
        """Ends the connections."""
        if self._http is not None:
            self._http.close()
        if self._channel is not None:
            self._channel.close()
        self._http = self._channel = None


KINDS = (
    ("traces", "grpc", True), ("traces", "json", False), ("logs", "proto", True),
    ("logs", "grpc", False), ("metrics", "proto", False), ("metrics", "grpc", True),
)  # fmt: skip
"""Signal, encoding, and whether the client sends again."""


class Load:
    """A client of each kind, until told to stop."""

    def __init__(self, book: Book, doors: Callable[[], Doors], pause_s: float = PAUSE_S) -> None:
        self._book, self._doors, self._pause_s = book, doors, pause_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=kind, daemon=True) for kind in KINDS]
        for thread in self._threads:
            thread.start()

    def _run(self, signal: str, via: str, repeats: bool) -> None:
        client = Client(self._book, self._doors)
        waiting: list[Sent] = []
        while not self._stop.wait(self._pause_s):
            one = waiting.pop() if waiting else self._book.new(signal, via, repeats)
            if client.deliver(one) is not Outcome.ACKNOWLEDGED:
                if repeats:
                    waiting.append(one)
                self._stop.wait(0.1)
        client.close()

    def stop(self) -> None:
        """Ends it; what is under way is waited for."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def load(book: Book, doors: Callable[[], Doors], pause_s: float = PAUSE_S) -> Iterator[Load]:
    """The load for the length of the block."""
    made = Load(book, doors, pause_s)
    try:
        yield made
    finally:
        made.stop()


def send_again(book: Book, doors: Callable[[], Doors], seconds: float = 30.0) -> None:
    """What a patient exporter does at last: everything that was not acknowledged, until it is."""
    client, deadline, pause = Client(book, doors), time.monotonic() + seconds, threading.Event()
    for one in [one for one in book.sent if one.repeats and one.outcome is not Outcome.ACKNOWLEDGED]:
        while client.deliver(one) is not Outcome.ACKNOWLEDGED and time.monotonic() < deadline:
            pause.wait(0.2)
    client.close()
