"""The SDK's OTLP exporters for an endpoint, and a count of what the server acknowledged.

`http://host:4318` is OTLP over HTTP with protobuf, `grpc://host:4317` is OTLP over gRPC. Retries on 429, 503,
UNAVAILABLE and the like, with the delay the server asks for, are the exporters' own. They do not show a partial
success, so an item the server refused inside an accepted request counts as acknowledged here; the server's ledger knows
better.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from core.errors import InvalidInput

TIMEOUT_S = 90.0  # of one export with all its retries


@dataclass
class Counts:
    """Items the server acknowledged, and items of exports that failed; they may or may not have been stored."""

    spans: int = 0
    logs: int = 0
    points: int = 0
    failed: int = 0

    @property
    def acknowledged(self) -> int:
        """All items acknowledged."""
        return self.spans + self.logs + self.points


class Tally:
    """Counts from several threads."""

    def __init__(self) -> None:
        self._counts = Counts()
        self._lock = threading.Lock()

    def add(self, signal: str, items: int, *, acknowledged: bool) -> None:
        """Adds the items of one export; `signal` is spans, logs or points."""
        field = signal if acknowledged else "failed"
        with self._lock:
            setattr(self._counts, field, getattr(self._counts, field) + items)

    def counts(self) -> Counts:
        """A copy of the counts so far."""
        with self._lock:
            return Counts(**vars(self._counts))


class CountingSpans(SpanExporter):
    """Sends spans and counts them."""

    def __init__(self, inner: SpanExporter, tally: Tally) -> None:
        self._inner, self._tally = inner, tally

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        self._tally.add("spans", len(spans), acknowledged=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


class CountingLogs(LogRecordExporter):
    """Sends log records and counts them."""

    def __init__(self, inner: LogRecordExporter, tally: Tally) -> None:
        self._inner, self._tally = inner, tally

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        result = self._inner.export(batch)
        self._tally.add("logs", len(batch), acknowledged=result is LogRecordExportResult.SUCCESS)
        return result

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        return True

    def shutdown(self) -> None:
        self._inner.shutdown()  # type: ignore[no-untyped-call]


class CountingMetrics(MetricExporter):
    """Sends metrics and counts their points. Each reader gets one of its own; `close` ends the shared exporter."""

    def __init__(self, inner: MetricExporter, tally: Tally) -> None:
        super().__init__()
        self._inner, self._tally = inner, tally

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        points = sum(
            len(metric.data.data_points)
            for resource in metrics_data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )
        result = self._inner.export(metrics_data, timeout_millis)
        self._tally.add("points", points, acknowledged=result is MetricExportResult.SUCCESS)
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing: other readers may still use the exporter behind this one."""


class Exporters:
    """The three exporters of one endpoint, counted together. `headers` go with every request (a key, for example)."""

    def __init__(self, endpoint: str, headers: dict[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https", "grpc", "grpcs") or not parts.hostname:
            raise InvalidInput(f"endpoint must be http[s]://host:port or grpc[s]://host:port, got {endpoint!r}")
        self.tally = Tally()
        spans, logs, metrics = _over(parts.scheme, parts.netloc, parts.path.rstrip("/"), headers, timeout_s)
        self._metrics = metrics
        self.spans = CountingSpans(spans, self.tally)
        self.logs = CountingLogs(logs, self.tally)
        self.metrics = CountingMetrics(metrics, self.tally)

    def counts(self) -> Counts:
        """What was acknowledged so far."""
        return self.tally.counts()

    def close(self) -> None:
        """Ends the connections; a retry under way is given up."""
        closers: tuple[Callable[[], Any], ...] = (self.spans.shutdown, self.logs.shutdown, self._metrics.shutdown)
        for shutdown in closers:
            shutdown()


def _over(
    scheme: str, host: str, path: str, headers: dict[str, str] | None, timeout_s: float
) -> tuple[SpanExporter, LogRecordExporter, MetricExporter]:
    if scheme.startswith("grpc"):
        endpoint = f"{'https' if scheme == 'grpcs' else 'http'}://{host}"
        return (
            GrpcSpans(endpoint, headers=headers, timeout=timeout_s),
            GrpcLogs(endpoint, headers=headers, timeout=timeout_s),
            GrpcMetrics(endpoint, headers=headers, timeout=timeout_s),
        )
    base = f"{scheme}://{host}{path}"
    return (
        HttpSpans(f"{base}/v1/traces", headers=headers, timeout=timeout_s),
        HttpLogs(f"{base}/v1/logs", headers=headers, timeout=timeout_s),
        HttpMetrics(f"{base}/v1/metrics", headers=headers, timeout=timeout_s),
    )
