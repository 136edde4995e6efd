"""The whole collector on real sockets, a real log and the real engine."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from prometheus_client import CollectorRegistry

from collector import Collector
from collector.ledger import LedgerEntry
from core import LOCAL_ADMIN, Principal, Settings, SystemClock, Unauthenticated, Unavailable, load_settings
from storage import ClickHouse, Signal, StateDb
from tests.unit.collector.support import FaultyFiles, eventually, trace_request

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Service:
    """A running collector and a client for it."""

    def __init__(self, settings: Settings, ch: ClickHouse, state: StateDb, tenant: str, **options: Any) -> None:
        self.registry = CollectorRegistry()
        self.collector = Collector(settings, SystemClock(), ch, state, self.registry, **options)
        self.principal = replace(LOCAL_ADMIN, tenant=tenant)
        self.collector.start(self.authenticate)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.collector.http_port, timeout=20)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.collector.grpc_port}")

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        match headers.get("authorization", "Bearer good"):
            case "Bearer good":
                return self.principal
            case "Bearer viewer":
                return Principal("viewer")
        raise Unauthenticated("the key is not known")

    def post(
        self, body: bytes, kind: str = PROTOBUF, path: str = "/v1/traces", method: str = "POST", **headers: str
    ) -> tuple[int, bytes, http.client.HTTPResponse]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, {"content-type": kind, **named})
        response = self.connection.getresponse()
        return response.status, response.read(), response

    def call(self, body: bytes, **metadata: str) -> bytes:
        answer: bytes = self.channel.unary_unary(TRACES)(body, timeout=20, metadata=tuple(metadata.items()))
        return answer

    def close(self) -> bool:
        self.connection.close()
        self.channel.close()
        return self.collector.stop()


@pytest.fixture
def service(settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str) -> Iterator[Service]:
    running = Service(settings, clickhouse, state, tenant)
    yield running
    running.close()


def spans_of(ch: ClickHouse, tenant: str) -> list[str]:
    """The names of the stored spans."""
    rows = ch.query(
        "SELECT SpanName FROM otel_traces WHERE TenantId = {tenant:String} ORDER BY SpanName", {"tenant": tenant}
    )
    return [row[0] for row in rows.rows]


def test_every_way_in_ends_in_the_table(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """gRPC, protobuf, gzip and JSON; the tenant is the caller's."""
    assert service.call(trace_request(2).SerializeToString()) == b""
    assert service.post(trace_request(3).SerializeToString())[:2] == (200, b"")
    packed = gzip.compress(trace_request(1).SerializeToString())
    assert service.post(packed, content_encoding="gzip")[0] == 200
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "from json"}
    span |= {"startTimeUnixNano": str(time.time_ns()), "endTimeUnixNano": str(time.time_ns())}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    assert service.post(json.dumps(document).encode(), JSON)[:2] == (200, b"{}")
    assert service.collector.flush()
    assert spans_of(clickhouse, tenant) == ["from json"] + ["span 0"] * 3 + ["span 1"] * 2 + ["span 2"]
    assert service.collector.ledger.totals(tenant)["traces"] == LedgerEntry(stored=7)


def test_partial_success(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """Counted and explained, over both transports and both encodings; the others are stored."""
    request = trace_request(3)
    request.resource_spans[0].scope_spans[0].spans[1].span_id = b""
    body = request.SerializeToString()
    for answer in (service.call(body), service.post(body)[1]):
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
        assert partial.rejected_spans == 1
        assert "1 of 3" in partial.error_message
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}]}
    partial_json = json.loads(service.post(json.dumps(document).encode(), JSON)[1])["partialSuccess"]
    assert partial_json["rejectedSpans"] == "1"
    assert service.collector.flush()
    assert len(spans_of(clickhouse, tenant)) == 2
    assert service.collector.ledger.totals(tenant)["traces"] == LedgerEntry(stored=2, duplicates=2)
    assert service.registry.get_sample_value("opsintel_collector_rejected_items_total", {"signal": "traces"}) == 3


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (404, {"path": "/v1/nothing"}),
        (405, {"method": "PUT"}),
        (415, {"kind": "text/plain"}),
        (415, {"content_encoding": "br"}),
        (400, {"body": b"\xff" * 11}),
        (400, {"content_encoding": "gzip"}),
        (401, {"authorization": "Bearer wrong"}),
        (403, {"authorization": "Bearer viewer"}),
    ],
    ids=lambda value: str(value),
)
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_errors_are_a_status_and_leave_the_connection_usable(
    status: int, request_: dict[str, Any], kind: str, service: Service
) -> None:
    """In the caller's encoding, where it has one of OTLP's."""
    options = {"body": trace_request().SerializeToString(), "kind": kind} | request_
    found, body, response = service.post(**options)
    assert found == status
    answered = response.headers["content-type"]
    assert answered == (options["kind"] if options["kind"] in (PROTOBUF, JSON) else JSON)
    assert Status.FromString(body).message if answered == PROTOBUF else json.loads(body)["message"]
    assert status != 405 or response.headers["allow"] == "POST"
    socket = service.connection.sock
    assert socket is not None
    assert service.post(trace_request().SerializeToString())[0] == 200
    assert service.connection.sock is socket


def test_grpc_errors(service: Service) -> None:
    """Codes after OTLP, with a message."""
    for body, metadata, code in (
        (b"\xff" * 11, {}, grpc.StatusCode.INVALID_ARGUMENT),
        (b"", {"authorization": "Bearer wrong"}, grpc.StatusCode.UNAUTHENTICATED),
        (b"", {"authorization": "Bearer viewer"}, grpc.StatusCode.PERMISSION_DENIED),
        (bytes(17 << 20), {}, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ):
        with pytest.raises(grpc.RpcError) as problem:
            service.call(body, **metadata)
        assert problem.value.code() is code
        assert problem.value.details()


def test_too_large_a_body_is_refused_at_its_announcement(service: Service) -> None:
    """The answer is there before the body has been sent."""
    connection = service.connection
    connection.putrequest("POST", "/v1/traces")
    connection.putheader("content-type", PROTOBUF)
    connection.putheader("content-length", str(1 << 30))
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, response.headers["connection"]) == (413, "close")
    assert "1073741824" in Status.FromString(response.read()).message


def test_a_log_that_cannot_be_written_is_said_so(
    settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str
) -> None:
    """503 and UNAVAILABLE with a delay; what was refused is not stored, what comes after is."""
    service = Service(settings, clickhouse, state, tenant, files=FaultyFiles("sync", 2))
    body = trace_request(2).SerializeToString()
    status, answer, response = service.post(body)
    assert (status, response.headers["retry-after"] in {"5", "6", "7", "8"}) == (503, True)
    assert Status.FromString(answer).code == 14
    assert service.post(body)[0] == 200
    assert service.close()
    assert len(spans_of(clickhouse, tenant)) == 2
    assert service.collector.ledger.totals()["traces"] == LedgerEntry(stored=2)


def test_a_full_log_is_said_so_over_grpc(
    clickhouse: ClickHouse, settings: Settings, state: StateDb, tenant: str
) -> None:
    """With a RetryInfo, so that the client repeats and does not drop."""
    small = load_settings(**settings.model_dump() | {"wal_max_bytes": 1 << 20})
    service = Service(small, clickhouse, state, tenant)
    with pytest.raises(grpc.RpcError) as problem:
        service.call(trace_request(20_000).SerializeToString())
    assert problem.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "grpc-status-details-bin" in dict(problem.value.trailing_metadata())
    assert service.close()


def test_stopping_under_load_keeps_every_acknowledged_span(
    service: Service, clickhouse: ClickHouse, tenant: str
) -> None:
    """Doors close, the log drains, and the count is exact."""
    acked, stop = list[int](), threading.Event()

    def client(_: int) -> None:
        own = grpc.insecure_channel(f"127.0.0.1:{service.collector.grpc_port}", [("grpc.use_local_subchannel_pool", 1)])
        while not stop.is_set():
            try:
                own.unary_unary(TRACES)(trace_request(10).SerializeToString(), timeout=10)
            except grpc.RpcError:
                break
            acked.append(10)
        own.close()

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(client, number) for number in range(4)]
        eventually(lambda: len(acked) > 40)
        assert service.collector.stop()
        stop.set()
        for one in running:
            one.result()
    found = len(spans_of(clickhouse, tenant))
    assert sum(acked) <= found <= sum(acked) + 4 * 10, "only a call cut at the end may be stored without an answer"
    assert service.collector.ledger.totals()["traces"] == LedgerEntry(stored=found)


def test_a_restart_stores_what_was_left(
    settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str
) -> None:
    """A receiver without a store leaves segments behind; the owner of the engine stores them, once."""
    receiver = Collector(settings, SystemClock(), None, state, CollectorRegistry())
    receiver.start(None)
    receiver.append(Signal.TRACES, tenant, trace_request(4).SerializeToString(), 4)
    receiver.stop()
    with pytest.raises(Unavailable):
        receiver.append(Signal.TRACES, tenant, b"late", 1)
    registry = CollectorRegistry()
    owner = Collector(settings, SystemClock(), clickhouse, state, registry)
    assert owner.ledger.totals()["traces"] == LedgerEntry(pending=4)
    owner.start(None)
    eventually(lambda: not owner.ledger.pending())
    assert owner.stop()
    assert len(spans_of(clickhouse, tenant)) == 4
    assert registry.get_sample_value("opsintel_collector_count_mismatches_total") == 0
