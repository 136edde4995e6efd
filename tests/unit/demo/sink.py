"""A tiny OTLP/HTTP server for the tests of the demo: decodes what arrives, counts it, and fails when told to."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Sink:
    """A context manager. `answers` are statuses given to the first requests instead of 200; those store nothing."""

    def __init__(self, answers: tuple[int, ...] = (), *, keep: bool = True) -> None:
        self.spans: list[tuple[str, Any]] = []
        self.logs: list[tuple[str, Any]] = []
        self.points: list[tuple[str, str, Any]] = []
        self.counts = {"spans": 0, "logs": 0, "points": 0}
        self.refused = 0
        self._answers = list(answers)
        self._keep = keep
        self._lock = threading.Lock()
        self.arrived = threading.Condition(self._lock)
        self._server = self._make()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def take(self, path: str, body: bytes) -> int:
        """Decodes and counts one request; returns the status to answer."""
        with self.arrived:
            if self._answers:
                self.refused += 1
                return self._answers.pop(0)
            {"/v1/traces": self._traces, "/v1/logs": self._logs, "/v1/metrics": self._metrics}[path](body)
            self.arrived.notify_all()
        return 200

    def _traces(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.counts["spans"] += len(scope.spans)
                if self._keep:
                    self.spans.extend((service(resource), span) for span in scope.spans)

    def _logs(self, body: bytes) -> None:
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            for scope in resource.scope_logs:
                self.counts["logs"] += len(scope.log_records)
                if self._keep:
                    self.logs.extend((service(resource), record) for record in scope.log_records)

    def _metrics(self, body: bytes) -> None:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self.counts["points"] += len(metric.gauge.data_points)
                    if self._keep:
                        points = metric.gauge.data_points
                        self.points.extend((service(resource), metric.name, point) for point in points)

    def _make(self) -> ThreadingHTTPServer:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = sink.take(self.path, body)
                self.send_response(status)
                if status in (429, 503):
                    self.send_header("retry-after", "0")
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        return server


def service(resource: Any) -> str:
    """The service's name of a resource message."""
    return str(attributes(resource.resource)["service.name"])


def attributes(message: Any) -> dict[str, Any]:
    """The attributes of a message as plain values."""
    return {kv.key: getattr(kv.value, kv.value.WhichOneof("value")) for kv in message.attributes}
