"""A real sender: Debian's Prometheus scrapes a small exporter and writes to the collector.

`make test-servers` installs it; without it these tests are skipped.
"""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from core import Settings, SystemClock
from metrics import queue_depths
from storage import ClickHouse, StateDb
from tests.unit.collector.support import eventually
from tests.unit.collector.test_collector import Service

PROMETHEUS = shutil.which("prometheus")
pytestmark = pytest.mark.skipif(not PROMETHEUS, reason="no prometheus; install it with `make test-servers`")
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: erp/queues
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
remote_write:
  - url: http://127.0.0.1:{collector}/api/v1/write
    send_exemplars: true
    send_native_histograms: true
    authorization: {{credentials: good}}
    queue_config: {{batch_send_deadline: 200ms, min_backoff: 100ms}}
    metadata_config: {{send: true, send_interval: 1s}}
"""


@contextmanager
def exporter() -> Iterator[int]:
    """A queue, a counter with an exemplar and a histogram, as OpenMetrics; yields its port."""
    registry = CollectorRegistry()
    Gauge("rabbitmq_queue_messages", "Messages.", ["vhost", "queue"], registry=registry).labels("/", "orders").set(42)
    Counter("orders", "Orders.", registry=registry).inc(3, {"trace_id": "ab" * 16})
    Histogram("pick_seconds", "Picking.", buckets=[1, 10], registry=registry).observe(4)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = generate_latest(registry)
            self.send_response(200)
            self.send_header("content-type", CONTENT_TYPE_LATEST)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def prometheus(folder: Path, config: str) -> Iterator[subprocess.Popen[bytes]]:
    """The server on a port that the system picks, gone at the end of the block."""
    assert PROMETHEUS
    (folder / "prometheus.yml").write_text(config)
    command = [
        PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage,native-histograms",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("w") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_a_real_prometheus_writes_here(
    settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str, tmp_path: Path
) -> None:
    """Nothing is refused; kinds, resource, queue and exemplar are there, and stale markers when the exporter goes."""
    service = Service(settings, clickhouse, state, tenant)

    def count(table: str, condition: str) -> int:
        assert service.collector.flush()
        statement = f"SELECT count() FROM otel_metrics_{table} WHERE TenantId = {{tenant:String}} AND {condition}"
        return int(clickhouse.query(statement, {"tenant": tenant}).rows[0][0])

    with ExitStack() as stack:
        stack.callback(service.close)
        scraped = stack.enter_context(ExitStack())
        port = scraped.enter_context(exporter())
        config = CONFIG.format(exporter=port, collector=service.collector.http_port)
        process = stack.enter_context(prometheus(tmp_path, config))

        def complete() -> bool:
            assert process.poll() is None, (tmp_path / "prometheus.log").read_text()[-2000:]
            return bool(
                count("sum", "MetricName = 'orders_total' AND Value = 3 AND notEmpty(`Exemplars.TraceId`)")
                and count("sum", "MetricName = 'pick_seconds_bucket' AND Attributes['le'] = '10.0'")
                and count("gauge", "MetricName = 'up' AND Value = 1")
            )

        eventually(complete, 60)
        own = f"ServiceName = 'queues' AND ResourceAttributes['service.instance.id'] = '127.0.0.1:{port}'"
        assert count("sum", f"{own} AND ResourceAttributes['service.namespace'] = 'erp'")
        assert count("sum", f"lower(`Exemplars.TraceId`[1]) = '{'ab' * 16}'")
        (queue,) = queue_depths(clickhouse, tenant, SystemClock().now(), timedelta(hours=1))
        assert (queue.system, queue.destination, queue.depth) == ("rabbitmq", "orders", 42.0)
        scraped.close()
        eventually(lambda: count("gauge", "MetricName = 'rabbitmq_queue_messages' AND Flags = 1"), 60)
        assert count("gauge", "MetricName = 'up' AND Value = 0 AND Flags = 0")
        (queue,) = queue_depths(clickhouse, tenant, SystemClock().now(), timedelta(hours=1))
        assert queue.depth == 42.0
        refused = service.registry.get_sample_value("opsintel_collector_rejected_items_total", {"signal": "metrics"})
        assert not refused
        log = (tmp_path / "prometheus.log").read_text()
        assert "non-recoverable error" not in log, log[-3000:]
        assert "Failed to send batch" not in log, log[-3000:]
