"""What the retailer tells arrives at an OTLP server, by HTTP and by gRPC, whole or not at all; then it goes on live."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from time import monotonic

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from rich.console import Console

from core import InvalidInput, SystemClock, Unavailable
from demo import (
    ConsoleProgress,
    Counts,
    DemoSettings,
    Exporters,
    Progress,
    Retailer,
    WorkflowEngine,
    backfill,
    live,
    run_demo_client,
)
from demo.model.facts import DAY, HOUR
from demo.telemetry.sdk import Resources, to_span
from metrics.events import validate_event
from tests.unit.demo.conftest import END, sort, window
from tests.unit.demo.sink import Sink, attributes

SMALL = {"orders_per_day": 60.0, "warm_up": 2.0}


def send(sink: Sink, days: float = 1) -> Counts:
    """Back-fills a small window into the sink."""
    exporters = Exporters(sink.endpoint)
    try:
        return backfill(Retailer(window(days, **SMALL)), exporters, clock=SystemClock())
    finally:
        exporters.close()


def test_a_backfill_arrives_whole_and_as_it_was_told() -> None:
    with Sink() as sink:
        counts = send(sink)
    retailer = Retailer(window(1, **SMALL))
    told = sort(retailer, retailer.facts_until(END))
    assert sink.counts == {"spans": len(told.spans), "logs": len(told.logs), "points": len(told.gauges)}
    assert counts == Counts(len(told.spans), len(told.logs), len(told.gauges), 0)
    assert {service for service, _ in sink.spans} == {fact.service for fact in told.spans}

    arrived = {(s.trace_id, s.span_id): (service, s) for service, s in sink.spans}
    for fact in told.spans:
        service, span = arrived[fact.trace_id.to_bytes(16), fact.span_id.to_bytes(8)]
        assert service == fact.service
        assert (span.name, span.start_time_unix_nano, span.end_time_unix_nano) == (fact.name, fact.start, fact.at)
        assert int.from_bytes(span.parent_span_id) == fact.parent_id
        assert attributes(span) == fact.attributes
        assert (span.status.code == span.status.STATUS_CODE_ERROR) == bool(fact.error)
        assert len(span.links) == len(fact.links)
        assert len(span.events) == bool(fact.error)
    for _, record in sink.logs:
        if record.event_name:
            assert validate_event(record.event_name, attributes(record)) == []
    assert {name for _, name, _ in sink.points} == {"retail.queue.depth", "retail.queue.oldest_age"}
    assert {(p.time_unix_nano, p.as_double) for _, _, p in sink.points} == {(g.at, g.value) for g in told.gauges}


def test_a_busy_server_is_asked_again_and_nothing_is_lost() -> None:
    with Sink() as calm, Sink((503, 429, 503)) as busy:
        assert send(calm, 0.5) == send(busy, 0.5)
        assert busy.refused == 3
        assert busy.counts == calm.counts


def test_a_refusal_that_stays_ends_the_backfill_with_what_was_acknowledged() -> None:
    with Sink((400,)) as sink, pytest.raises(Unavailable, match=r"did not acknowledge .* \d+ items were acknowledged"):
        send(sink, 0.5)


def test_a_backfill_that_is_told_to_stop_stops() -> None:
    stop = threading.Event()
    stop.set()
    with Sink() as sink:
        exporters = Exporters(sink.endpoint)
        backfill(Retailer(window(1, **SMALL)), exporters, clock=SystemClock(), stop=stop)
        exporters.close()
    assert sink.counts == {"spans": 0, "logs": 0, "points": 0}


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "ftp://host:1", "http://", ""])
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="endpoint must be"):
        Exporters(endpoint)


@pytest.fixture
def grpc_sink() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A gRPC trace service that is unavailable once, then takes everything."""
    got: list[ExportTraceServiceRequest] = []
    answers = [grpc.StatusCode.UNAVAILABLE]

    def export(request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        if answers:
            context.abort(answers.pop(), "not yet")
        got.append(request)
        return ExportTraceServiceResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=ExportTraceServiceRequest.FromString,
        response_serializer=ExportTraceServiceResponse.SerializeToString,
    )
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}", got
    server.stop(0).wait()


def test_spans_go_by_grpc_too(grpc_sink: tuple[str, list[ExportTraceServiceRequest]]) -> None:
    endpoint, got = grpc_sink
    retailer = Retailer(window(0.25, **SMALL))
    spans = sort(retailer, retailer.facts_until(END)).spans
    resources = Resources()
    exporters = Exporters(endpoint)
    result = exporters.spans.export([to_span(span, resources) for span in spans])
    exporters.close()
    assert result.name == "SUCCESS"
    assert exporters.counts().spans == len(spans)
    assert len(spans) == sum(len(s.spans) for request in got for r in request.resource_spans for s in r.scope_spans)


def until(sink: Sink, condition: object, seconds: float = 30) -> None:
    """Waits until the sink satisfies the condition."""
    assert callable(condition)
    with sink.arrived:
        assert sink.arrived.wait_for(condition, seconds)


def test_live_goes_on_from_now_through_the_providers() -> None:
    """Half an hour is left to catch up with, so that there is something to see at once."""
    clock, stop = SystemClock(), threading.Event()
    now = clock.time_ns() - HOUR // 2
    retailer = Retailer(DemoSettings(now - DAY, now, 3, 2_000.0, warm_up=0.5))
    for _ in retailer.facts_until(now):
        pass
    with Sink() as sink:
        exporters = Exporters(sink.endpoint)
        thread = threading.Thread(target=live, args=(retailer, exporters, stop), kwargs={"clock": clock})
        thread.start()
        until(sink, lambda: sink.counts["spans"] > 100 and sink.counts["logs"] > 20)
        began = monotonic()
        stop.set()
        thread.join(30)
        exporters.close()
        assert not thread.is_alive()
        assert monotonic() - began < 15
    assert sink.counts["points"] >= 14  # depth and age of each of seven queues, sent at the latest when it ends
    assert exporters.counts() == Counts(sink.counts["spans"], sink.counts["logs"], sink.counts["points"], 0)
    by_id = {span.span_id: (service, span) for service, span in sink.spans}
    children = [(service, s) for service, s in sink.spans if s.parent_span_id in by_id]
    assert len(children) > 50
    for _, child in children:
        assert by_id[child.parent_span_id][1].trace_id == child.trace_id
    assert all(now < span.end_time_unix_nano <= clock.time_ns() for _, span in sink.spans)
    for _, record in sink.logs:
        if record.event_name:
            assert validate_event(record.event_name, attributes(record)) == []


def test_the_whole_client_writes_the_truth_and_obeys_the_engine(tmp_path: Path) -> None:
    stop, seen = threading.Event(), []
    file = tmp_path / "demo-truth.json"

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        if progress.live:
            stop.set()

    with Sink(keep=False) as sink, WorkflowEngine("whsec_" + "c2VjcmV0" * 4) as engine:
        counts = run_demo_client(
            sink.endpoint, 0.5, 5, stop, file, True, on_progress, engine=engine, orders_per_day=60.0
        )
    truth = json.loads(file.read_text("utf-8"))
    assert (truth["seed"], len(truth["incidents"])) == (5, 6)
    assert counts.acknowledged == sum(sink.counts.values()) > 1_000
    shares = [progress.share for progress in seen]
    assert shares == sorted(shares)
    assert [progress.live for progress in seen].count(True) == 1


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with ConsoleProgress(Console(file=out, width=200)) as show:
        for second in range(12):
            show(Progress(second / 12, Counts(second * 10, 2, 3, 0), float(second)))
        show(Progress(1.0, Counts(120, 2, 3, 4), 12.0))
        show(Progress(1.0, Counts(121, 2, 3, 4), 0.5, live=True))
        show(Progress(1.0, Counts(122, 2, 3, 4), 1.5, live=True))
    assert out.getvalue().splitlines() == [
        "back-fill   0%: 0 spans, 2 logs, 3 points acknowledged in 0 s",
        "back-fill  42%: 50 spans, 2 logs, 3 points acknowledged in 5 s",
        "back-fill  83%: 100 spans, 2 logs, 3 points acknowledged in 10 s",
        "back-fill 100%: 120 spans, 2 logs, 3 points acknowledged, 4 not in 12 s",
        "live: 121 spans, 2 logs, 3 points acknowledged, 4 not in 0 s",
    ]


def test_progress_is_a_bar_on_a_terminal() -> None:
    out = io.StringIO()
    with ConsoleProgress(Console(file=out, width=160, force_terminal=True)) as show:
        show(Progress(0.5, Counts(1_234, 2, 3, 0), 1.0))
    assert "1,234 spans" in out.getvalue()
    assert "50%" in out.getvalue()
