"""The product on a ClickHouse server, over HTTP: everything is stored once, whatever the server and the network do.

The server is the test suite's own, over the embedded engine; what only a real one can show is not tested here.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.served import Served, eventually, opsintel
from tests.support.clickhouse_process import ClickHouseServer, clickhouse_server
from tests.support.faults import Action
from tests.support.plain_http import PLAIN

USER, PASSWORD = "ops", "geheim#1"
SPANS = "INSERT INTO traces_in"
NOW = time.time_ns()
AGAIN_S = 30.0
"""A writer's longest pause is 10 s."""


class Product:
    """`opsintel serve` in front of a server, and how many items it has acknowledged."""

    def __init__(self, folder: Path, server: ClickHouseServer, **more: str) -> None:
        self.folder, self.server, self.more = folder, server, more
        self.acked = 0
        self.served = self._start()

    def _start(self) -> Served:
        return Served(self.folder, **environment(self.server), **self.more)

    def restart(self) -> None:
        """Killed, and started again on the same directory."""
        self.served.end()
        self.served = self._start()

    def push(self, spans: int = 50) -> None:
        """One request; the test fails unless it is acknowledged."""
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "web-shop"
        scope = resource.scope_spans.add()
        for number in range(self.acked, self.acked + spans):
            scope.spans.add(
                trace_id=number.to_bytes(16, "big", signed=False) if number else b"\x01" * 16,
                span_id=(number + 1).to_bytes(8, "big"), name="pick",
                start_time_unix_nano=NOW, end_time_unix_nano=NOW + 1,
            )  # fmt: skip
        body, headers = request.SerializeToString(), {"content-type": "application/x-protobuf"}
        answer = PLAIN.post(f"{self.served.http}/v1/traces", content=body, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        self.acked += spans

    def settled(self) -> bool:
        """Whether nothing is pending."""
        return self.served.ledger("traces")["pending"] == 0

    def check(self) -> None:
        """Waits, then compares what is stored, in the tables and by the ledger, with what was acknowledged."""
        eventually(self.settled, AGAIN_S)
        zero = {"quarantined": 0, "pending": 0, "duplicates": 0}
        assert self.served.ledger("traces") == zero | {"received": self.acked, "stored": self.acked}
        counted = self.server.ask("SELECT count(), uniqExact(SpanId) FROM otel_traces", "opsintel")
        assert counted == [[str(self.acked), str(self.acked)]]
        looked_up = self.server.ask("SELECT uniqExact(TraceId), count() FROM otel_traces_trace_id_ts", "opsintel")
        assert looked_up == [[str(self.acked), str(self.acked)]], "a view's table has rows twice, or not at all"


def environment(server: ClickHouseServer, **more: str) -> dict[str, str]:
    """Settings of a service on this server, that tries again quickly."""
    dsn = server.dsn(password="geheim%231")
    return {
        "OPSINTEL_CLICKHOUSE_DSN": dsn,
        "OPSINTEL_WAL_SEGMENT_AGE_MS": "50",
        "OPSINTEL_JOBS_ENABLED": "false",
    } | more


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with clickhouse_server(tmp_path_factory.mktemp("server"), user=USER, password=PASSWORD) as found:
        yield found


@pytest.fixture(scope="module")
def running(server: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A service that several tests misuse, one after the other; its counts go on."""
    product = Product(tmp_path_factory.mktemp("served"), server, OPSINTEL_CLICKHOUSE_ANSWER_TIMEOUT_S="2")
    yield product
    product.served.end()


@pytest.fixture
def product(running: Product) -> Iterator[Product]:
    yield running
    running.server.clear()


def test_all_signals_are_stored_from_an_empty_server(product: Product) -> None:
    """Migrations included."""
    product.push()
    logs = ExportLogsServiceRequest()
    record = (
        logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=NOW, event_name="retail.order.placed")
    )
    record.attributes.add(key="retail.case.id").value.string_value = "o-1"
    record.attributes.add(key="retail.stream").value.string_value = "order-to-cash"
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="retail.queue.depth")
    metric.gauge.data_points.add(time_unix_nano=NOW, as_int=7)
    for name, request in (("logs", logs), ("metrics", metrics)):
        body, headers = request.SerializeToString(), {"content-type": "application/x-protobuf"}
        answer = PLAIN.post(f"{product.served.http}/v1/{name}", content=body, headers=headers, timeout=30)
        assert answer.status_code == 200
    product.check()
    eventually(lambda: product.served.ledger("logs")["stored"] == product.served.ledger("metrics")["stored"] == 1)
    found = product.server.ask(
        "SELECT (SELECT count() FROM otel_logs), (SELECT count() FROM process_events), "
        "(SELECT Value FROM otel_metrics_gauge)",
        "opsintel",
    )
    assert found == [["1", "1", "7"]]
    answer = PLAIN.post(
        f"{product.served.url}/api/v1/query", json={"sql": "SELECT count() FROM otel_traces"}, timeout=30
    )
    assert answer.json()["rows"] == [[product.acked]]


ONCE = [
    (Action.CUT_HEAD, "nothing of the insert was read"),
    (Action.CUT_BODY, "half of the insert was read"),
    (Action.CUT_AFTER, "the insert was executed, its answer lost: the token makes the second one harmless"),
    (Action.CUT_ANSWER, "the same, but the answer broke off"),
    (Action.LOSE_ANSWER, "the same, and the service gave up waiting for it"),
]


@pytest.mark.parametrize(("action", "why"), ONCE, ids=[action.value for action, _ in ONCE])
def test_a_cut_insert_is_stored_once(product: Product, action: Action, why: str) -> None:
    struck = product.server.tell()["struck"]
    product.server.fault(action, SPANS, times=2, seconds=2.5)
    product.push()
    product.check()
    assert product.server.tell()["struck"] >= struck + 1, why


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failing_server_or_proxy_is_asked_again(product: Product, status: int) -> None:
    """With the same bytes and the same token: nothing is split, nothing goes to quarantine."""
    product.server.fault(Action.STATUS, SPANS, times=4, status=status, text="<html>upstream</html>")
    product.push()
    product.check()
    assert '"segment refused"' not in product.served.log.read_text()


def test_too_many_parts_is_waited_for(product: Product) -> None:
    text = "Code: 252. DB::Exception: Too many parts (3000). Merges are processing significantly slower than inserts."
    product.server.fault(Action.STATUS, SPANS, times=3, status=500, code=252, text=text)
    product.push()
    product.check()


def test_a_slow_server_slows_nobody_down(product: Product) -> None:
    """Callers are answered at the log's speed; what the server has not taken is in the log."""
    product.server.fault(Action.DELAY, SPANS, seconds=1.0)
    for _ in range(5):
        product.push()
    assert product.served.ledger("traces")["pending"] > 0
    product.server.clear()
    product.check()


def test_the_server_goes_away_and_comes_back(product: Product) -> None:
    product.push()
    product.server.tell(listening=False)
    for _ in range(5):
        product.push()
    assert product.served.ledger("traces")["pending"] >= 250
    answer = PLAIN.post(f"{product.served.url}/api/v1/query", json={"sql": "SELECT 1"}, timeout=60)
    assert answer.status_code == 503
    assert "it does not accept connections" in product.served.log.read_text()
    product.server.tell(listening=True)
    product.check()


def test_both_are_killed_and_nothing_is_lost_or_doubled(product: Product) -> None:
    """An insert was executed, its answer never came, and then nobody who knew of it lived."""
    product.server.fault(Action.CUT_AFTER, SPANS)
    product.push()
    eventually(lambda: product.server.tell()["struck"] > 0)
    product.served.end()
    product.server.kill()
    product.server.start()
    product.restart()
    product.push()
    product.check()


def test_a_changed_password_holds_the_data_back(product: Product) -> None:
    """Until it is right again; nothing is refused for good, and no password is logged."""
    text = "Code: 516. DB::Exception: ops: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"
    product.server.fault(Action.STATUS, SPANS, times=4, status=403, code=516, text=text)
    product.push()
    product.check()
    log = product.served.log.read_text()
    assert "refuses the user or the password" in log
    assert PASSWORD not in log
    assert "geheim" not in log


# --- at the start ---


def test_a_start_waits_for_the_server(tmp_path: Path) -> None:
    """And what the log still holds is stored then."""
    server = ClickHouseServer(tmp_path / "server", user=USER, password=PASSWORD)
    server.start()
    try:
        product = Product(tmp_path, server)
        server.tell(listening=False)
        product.push()
        product.served.end()
        server.tell(listening=True)
        server.fault(Action.CUT_HEAD, times=6)
        product.restart()
        assert '"waiting for the store"' in product.served.log.read_text()
        product.check()
        assert product.served.stop() == (0, pytest.approx(0, abs=15))
    finally:
        server.kill()


def test_sigterm_while_waiting_ends_it_at_once(tmp_path: Path) -> None:
    server = ClickHouseServer(tmp_path / "server")
    server.port = 9
    waiting = Waiting(tmp_path, OPSINTEL_CLICKHOUSE_DSN=server.dsn())
    try:
        eventually(lambda: "waiting for the store" in waiting.log.read_text())
        waiting.process.send_signal(signal.SIGTERM)
        assert waiting.process.wait(15) == 0
    finally:
        waiting.end()


class Waiting(Served):
    """A service whose doors do not open."""

    def _serving(self) -> dict[str, object]:
        return {"dashboards": "", "otlp_grpc": "", "otlp_http": ""}


def test_a_wrong_password_is_told_in_a_sentence(server: ClickHouseServer, tmp_path: Path) -> None:
    done = opsintel(tmp_path, "serve", OPSINTEL_CLICKHOUSE_DSN=server.dsn(password="falsch7"))
    assert done.returncode == 2
    told = [line for line in done.stderr.splitlines() if not line.startswith("{")]  # receivers were open and say so
    assert told[0].startswith("opsintel: the engine refuses the user or the password")
    assert "falsch7" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_frame_that_the_server_refuses_leaves_its_neighbours_alone(
    product: Product, server: ClickHouseServer
) -> None:
    """Only an error of the engine itself, with its number, counts as a refusal."""
    text = "Code: 33. DB::Exception: Cannot read all data. (CANNOT_READ_ALL_DATA)"
    before = server.tell()["struck"]
    server.fault(Action.STATUS, SPANS, times=2, status=500, code=33, text=text)
    product.push()
    eventually(product.settled, AGAIN_S)
    assert server.tell()["struck"] == before + 2
    ledger = product.served.ledger("traces")
    assert ledger["received"] == product.acked == ledger["stored"] + ledger["quarantined"]
