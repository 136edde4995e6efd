"""The product as a process: started, filled by ordinary OpenTelemetry clients, asked, stopped, started again."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from tests.integration.served import Served, eventually, opsintel
from tests.support.plain_http import PLAIN

RESOURCE = Resource({"service.name": "web-shop"})
LOG = """case,step,at
A,placed,2026-03-02T09:00:00Z
A,paid,2026-03-02T09:10:00Z
B,placed,2026-03-02T10:00:00Z
B,paid,2026-03-02T10:30:00Z
B,paid,2026-03-02T11:00:00Z
"""
COLUMNS = ["--case", "case", "--activity", "step", "--timestamp", "at"]
STOP_S = 15


def push_spans(exporter: SpanExporter, count: int) -> str:
    """One trace of that many spans below a root; its id."""
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("till")
    with tracer.start_as_current_span("root") as root:
        for number in range(count):
            with tracer.start_as_current_span(f"step {number}", attributes={"number": number}):
                pass
    assert provider.force_flush()
    provider.shutdown()
    return f"{root.get_span_context().trace_id:032x}"


def balanced(entry: dict[str, int]) -> bool:
    parts = ("stored", "quarantined", "pending", "duplicates")
    return entry["received"] == sum(entry[part] for part in parts)


def trace_of(served: Served, trace_id: str, spans: int) -> dict[str, Any]:
    """The trace, once all its spans are stored."""

    def whole() -> dict[str, Any] | None:
        answer = served.get(f"/api/v1/traces/{trace_id}")
        found: dict[str, Any] = answer.json()
        return found if answer.status_code == 200 and len(found["spans"]) == spans else None

    found: dict[str, Any] = eventually(whole)
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An open service on this machine, for the tests that do not stop it."""
    folder = tmp_path_factory.mktemp("served")
    found = Served(folder)
    yield found
    found.end()


def test_it_is_ready_and_says_that_it_is_open(served: Served) -> None:
    assert served.get("/readyz").json() == {"ready": True, "reasons": []}
    assert "open to everybody on this machine" in served.log.read_text()
    assert "Open to everybody on this machine" in served.get("/_dash-layout").text


@pytest.mark.parametrize("door", ["grpc", "http", "http beside the API"])
def test_a_trace_of_the_sdk_comes_back_whole(served: Served, door: str) -> None:
    exporter: SpanExporter
    if door == "grpc":
        exporter = GrpcSpanExporter(f"http://{served.grpc}", insecure=True)
    else:
        exporter = HttpSpanExporter(f"{served.http if door == 'http' else served.url}/v1/traces")
    before = served.ledger("traces")
    found = trace_of(served, push_spans(exporter, 25), 26)
    root = next(span for span in found["spans"] if not span["parent_span_id"])
    children = [span for span in found["spans"] if span["parent_span_id"] == root["span_id"]]
    assert sorted(span["name"] for span in children) == sorted(f"step {number}" for number in range(25))
    assert {span["attributes"]["number"] for span in children} == {str(number) for number in range(25)}
    assert {span["system"] for span in found["spans"]} == {"web-shop"}
    after = served.ledger("traces")
    assert after["received"] - before["received"] == after["stored"] - before["stored"] == 26
    assert balanced(after)


def test_logs_and_metrics_of_the_sdk_are_stored(served: Served) -> None:
    logs = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    logs.add_log_record_processor(BatchLogRecordProcessor(HttpLogExporter(f"{served.http}/v1/logs")))
    case = {"retail.stream": "order-to-cash", "retail.case.id": "o-1"}
    for name in ("retail.order.placed", "retail.order.validated"):
        logs.get_logger("till").emit(event_name=name, attributes=case)
    assert logs.force_flush()
    logs.shutdown()
    reader = PeriodicExportingMetricReader(
        GrpcMetricExporter(f"http://{served.grpc}", insecure=True), export_interval_millis=3_600_000
    )
    meters = MeterProvider([reader], resource=RESOURCE, shutdown_on_exit=False)
    queue = {"messaging.system": "rabbitmq", "messaging.destination.name": "orders"}
    meters.get_meter("till").create_gauge("retail.queue.depth").set(7, queue)
    assert meters.force_flush()
    meters.shutdown()
    summary = eventually(lambda: served.get("/api/v1/processes/order-to-cash/summary").json().get("variants"))
    assert summary == [{"activities": ["retail.order.placed", "retail.order.validated"], "count": 1}]
    (depth,) = eventually(lambda: served.get("/api/v1/queues").json()["queues"])
    assert (depth["destination"], depth["depth"]) == ("orders", 7)
    assert balanced(served.ledger("logs"))
    assert balanced(served.ledger("metrics"))


def test_an_event_log_is_imported_through_the_running_service(served: Served, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    done = opsintel(tmp_path, "import", "log.csv", "--stream", "imported", *COLUMNS, "--url", served.url)
    assert done.returncode == 0, done.stderr
    eventually(lambda: served.get("/api/v1/processes/imported/summary").json().get("events") == 5)
    told = opsintel(tmp_path, "process", "summary", "imported", "--json", "--url", served.url)
    summary = json.loads(told.stdout)
    assert (summary["cases"], summary["events"], summary["rework_cases"]) == (2, 5, 1)


def test_a_second_process_is_kept_out_of_the_directory(served: Served) -> None:
    folder = served.log.parent
    for arguments in (["serve"], ["process", "streams"], ["migrate"]):
        done = opsintel(folder, *arguments)
        assert done.returncode == 2
        assert f"is in use by process {served.process.pid}" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_statement_cannot_end_the_service(served: Served) -> None:
    for sql in ("SELECT 1; DROP TABLE otel_traces", "SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS x)"):
        answer = PLAIN.post(f"{served.url}/api/v1/query", json={"sql": sql}, timeout=60)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
    body = {"sql": "SELECT count() >= 0 FROM otel_traces"}
    assert PLAIN.post(f"{served.url}/api/v1/query", json=body, timeout=60).json()["rows"] == [[1]]


# --- stop and start ---


def test_it_drains_stops_and_starts_again_with_everything(tmp_path: Path) -> None:
    """And on the stopped directory the command line works alone."""
    served = Served(tmp_path)
    try:
        trace_id = push_spans(HttpSpanExporter(f"{served.http}/v1/traces"), 500)  # acknowledged, perhaps not yet stored
        status, seconds = served.stop()
        assert (status, seconds < STOP_S) == (0, True), served.log.read_text()
        assert "Traceback" not in served.log.read_text()
    finally:
        served.end()
    (tmp_path / "log.csv").write_text(LOG)
    done = opsintel(tmp_path, "import", "log.csv", "--stream", "imported", *COLUMNS)
    assert done.returncode == 0, done.stderr
    told = opsintel(tmp_path, "process", "summary", "imported", "--json")
    assert told.returncode == 0, told.stderr
    summary = json.loads(told.stdout)
    assert (summary["cases"], summary["events"], summary["rework_cases"]) == (2, 5, 1)
    assert {(edge["from"], edge["to"], edge["count"], edge["mean_s"]) for edge in summary["edges"]} == {
        ("placed", "paid", 2, 1200.0), ("paid", "paid", 1, 1800.0)}  # fmt: skip
    again = Served(tmp_path)
    try:
        trace_of(again, trace_id, 501)
        assert again.ledger("traces") == {
            "received": 501,
            "stored": 501,
            "quarantined": 0,
            "pending": 0,
            "duplicates": 0,
        }
        assert again.ledger("logs")["stored"] == 5
        assert again.get("/api/v1/processes").json() == {"streams": ["imported"]}
        assert again.stop(signal.SIGINT)[0] == 0
    finally:
        again.end()


# --- credentials ---


def test_beyond_this_machine_it_refuses_to_start_without_credentials(tmp_path: Path) -> None:
    done = opsintel(tmp_path, "serve", OPSINTEL_HTTP_HOST="0.0.0.0")
    assert done.returncode == 2
    assert "bound to 0.0.0.0 without any credentials" in done.stderr
    assert "opsintel token create" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_a_key_it_starts_and_asks_everybody_for_it(tmp_path: Path) -> None:
    made = opsintel(tmp_path, "token", "create", "--name", "till", "--role", "viewer", "--role", "ingest")
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    served = Served(tmp_path, OPSINTEL_HTTP_HOST="0.0.0.0")
    try:
        port = served.url.rsplit(":", 1)[1]
        served.url = f"http://127.0.0.1:{port}"
        assert served.get("/api/v1/ledger").status_code == 401
        assert served.get("/api/v1/ledger", token).status_code == 200
        assert served.get("/healthz").status_code == 200
        otlp = f"http://127.0.0.1:{served.http.rsplit(':', 1)[1]}/v1/traces"
        assert PLAIN.post(otlp, json={}).status_code == 401
        assert PLAIN.post(otlp, json={}, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        listed = opsintel(tmp_path, "token", "list")  # beside the running service
        assert "in force" in listed.stdout
        assert token.split("_", 2)[2] not in listed.stdout
        told = opsintel(tmp_path, "process", "streams", "--url", served.url, OPSINTEL_TOKEN=token)
        assert (told.returncode, told.stdout) == (0, ""), told.stderr
        gone = opsintel(tmp_path, "token", "revoke", token.split("_")[1])
        assert gone.returncode == 0
        eventually(lambda: served.get("/api/v1/ledger", token).status_code == 401, 20)
        assert served.stop()[0] == 0
    finally:
        served.end()


# --- the command line's mistakes ---

DEAD = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["version"], {"OPSINTEL_HTTP_PROT": "1"}, "did you mean OPSINTEL_HTTP_PORT"),
        (["version"], {"OPSINTEL_HTTP_PORT": "x"}, "http_port"),
        (["process", "summary", "nope"], {}, "no process events"),
        (["process", "streams", "--url", DEAD], {}, "cannot be reached"),
        (["control", "pause", "x", "--reason", "y", "--url", DEAD], {}, "cannot be reached"),
        (["alerts", "list", "--url", "http://[bad"], {}, "cannot be reached"),
        (["import", "nope.csv", "--stream", "s", *COLUMNS], {}, "nope.csv"),
        (["token", "create", "--name", "x", "--role", "viewer", "--tenant", "A B"], {}, "tenant"),
        (["token", "revoke", "nope"], {}, "nope"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_a_sentence(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], said: str
) -> None:
    done = opsintel(tmp_path, *arguments, **variables)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert done.stderr.startswith("opsintel: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert done.stdout == ""


def test_a_taken_port_is_named(tmp_path: Path, served: Served) -> None:
    port = served.url.rsplit(":", 1)[1]
    done = opsintel(tmp_path, "serve", OPSINTEL_HTTP_PORT=port)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
