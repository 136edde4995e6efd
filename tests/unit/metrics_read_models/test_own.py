"""The service's own telemetry: what `/metrics` holds, and traces that never feed themselves."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from core import ConfigurationError, ManualClock, load_settings
from metrics.own import OwnMetrics, RequestTiming, SelfTracing, open_self_tracing, render
from metrics.own.tracing import traces_url


@pytest.fixture
def own(clock: ManualClock) -> OwnMetrics:
    """Fresh metrics."""
    return OwnMetrics(clock, version="1.2.3", engine_version="26.9")


def values(own: OwnMetrics, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """What a scrape shows of one sample name."""
    kind, body = render(own.registry)
    assert kind.startswith("text/plain")
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name == name
    }


def test_a_scrape_has_build_process_and_nothing_of_other_registries(own: OwnMetrics) -> None:
    assert values(own, "opsintel_build_info") == {(("engine", "26.9"), ("version", "1.2.3")): 1.0}
    assert values(own, "process_resident_memory_bytes")[()] > 0
    assert REGISTRY.get_sample_value("opsintel_build_info", {"engine": "26.9", "version": "1.2.3"}) is None


def test_jobs_are_timed_and_failures_counted(own: OwnMetrics, clock: ManualClock) -> None:
    with own.job("kpis"):
        clock.advance(2)

    def fail() -> None:
        with own.job("kpis"):
            clock.advance(3)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert values(own, "opsintel_job_runs_total") == {
        (("job", "kpis"), ("outcome", "failure")): 1.0,
        (("job", "kpis"), ("outcome", "success")): 1.0,
    }
    assert values(own, "opsintel_job_duration_seconds_sum") == {(("job", "kpis"),): 5.0}
    assert values(own, "opsintel_job_last_success_timestamp_seconds") == {
        (("job", "kpis"),): clock.now().timestamp() - 3
    }


def test_queries_are_counted_by_name_and_outcome(own: OwnMetrics) -> None:
    with own.query("queue_depth"):
        pass
    with pytest.raises(ValueError, match="no"), own.query("queue_depth"):
        raise ValueError("no")
    assert values(own, "opsintel_engine_query_duration_seconds_count") == {
        (("outcome", "failure"), ("statement", "queue_depth")): 1.0,
        (("outcome", "success"), ("statement", "queue_depth")): 1.0,
    }


def test_a_watched_gauge_that_cannot_be_read_leaves_the_rest(own: OwnMetrics) -> None:
    def broken() -> dict[tuple[str, ...], float]:
        raise OSError("gone")

    own.watch("opsintel_ledger_items", "Items.", ("signal",), lambda: {("traces",): 3.0})
    own.watch("opsintel_broken", "Never read.", (), broken)
    assert values(own, "opsintel_ledger_items") == {(("signal", "traces"),): 3.0}
    assert values(own, "opsintel_broken") == {}


async def _answer(app: Any, path: str, method: str = "GET", route: str | None = None) -> list[dict[str, Any]]:
    class Route:
        path = route

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path}
    if route:
        scope["route"] = Route
    await app(scope, receive, send)
    return sent


async def _teapot(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_requests_are_counted_by_template_never_by_path(own: OwnMetrics) -> None:
    """A path or a method of the caller's invention must not make a time series."""
    app = RequestTiming(_teapot, own)
    asyncio.run(_answer(app, "/api/v1/traces/1", route="/api/v1/traces/{trace_id}"))
    for number in range(3):
        asyncio.run(_answer(app, f"/scan/{number}", f"HACK{number}"))
    assert values(own, "opsintel_http_request_duration_seconds_count") == {
        (("method", "GET"), ("route", "/api/v1/traces/{trace_id}"), ("status", "418")): 1.0,
        (("method", "other"), ("route", "unmatched"), ("status", "418")): 3.0,
    }


def test_a_crash_counts_as_500_and_goes_on_up(own: OwnMetrics) -> None:
    async def crash(scope: Any, receive: Any, send: Any) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        asyncio.run(_answer(RequestTiming(crash, own), "/x", route="/x"))
    assert list(values(own, "opsintel_http_request_duration_seconds_count")) == [
        (("method", "GET"), ("route", "/x"), ("status", "500"))
    ]


@pytest.fixture
def sink() -> Iterator[tuple[str, list[Span]]]:
    """An OTLP/HTTP endpoint that keeps the spans it is sent."""
    spans: list[Span] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/traces"
            spans.extend(s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_and_jobs_are_traced_and_ingest_is_not(own: OwnMetrics, sink: tuple[str, list[Span]]) -> None:
    endpoint, spans = sink
    tracing = open_self_tracing(load_settings(self_tracing_endpoint=endpoint), version="1")
    assert isinstance(tracing, SelfTracing)
    app = RequestTiming(_teapot, own, tracing)
    asyncio.run(_answer(app, "/api/v1/kpis", route="/api/v1/kpis"))
    asyncio.run(_answer(app, "/v1/traces", "POST", route="/v1/traces"))
    with tracing.job("kpis"):
        pass
    tracing.stop()
    assert sorted(span.name for span in spans) == ["GET /api/v1/kpis", "job kpis"]


def test_tracing_is_off_by_default() -> None:
    assert open_self_tracing(load_settings(), version="1") is None


def test_the_endpoint_gets_the_path_it_lacks() -> None:
    assert traces_url("http://h:4318") == traces_url("http://h:4318/") == "http://h:4318/v1/traces"
    assert traces_url("https://h/otlp/v1/traces") == "https://h/otlp/v1/traces"
    with pytest.raises(ConfigurationError, match="must be an http:// or https:// URL, got 'h:4318'"):
        traces_url("h:4318")
