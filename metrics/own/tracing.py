"""The service's own traces, sent as OTLP over HTTP to `self_tracing_endpoint`; off while that is empty.

Only API requests and jobs make spans, one each. Receiving telemetry makes none, so that the endpoint may be this very
service without every span causing the next: what the exporter sends arrives at the receivers, which are not traced,
and a request to `/v1/…` that comes through the traced application is left out, too. No library is instrumented, no
process-wide provider is set. Spans are sent in batches from a thread; what cannot be sent is dropped and logged by the
SDK: these traces are for looking at the service, not a record of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from core import ConfigurationError, Settings

TRACES_PATH = "/v1/traces"
INGEST_PREFIX = "/v1/"


class SelfTracing:
    """Makes and sends spans until `stop()`."""

    def __init__(self, endpoint: str, *, version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # loaded only when it is on

        resource = Resource.create({"service.name": "opsintel", "service.version": version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=traces_url(endpoint))))
        self._tracer = self._provider.get_tracer("opsintel")

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        """One span around a run of a job; an error that passes through marks it failed."""
        with self._tracer.start_as_current_span(f"job {name}", kind=SpanKind.INTERNAL):
            yield

    def request(self, method: str, route: str, status: int, started_ns: int) -> None:
        """One SERVER span for a request that has been answered; nothing for ingest."""
        if route.startswith(INGEST_PREFIX):
            return
        span = self._tracer.start_span(
            f"{method} {route}",
            kind=SpanKind.SERVER,
            start_time=started_ns,
            attributes={"http.request.method": method, "http.route": route, "http.response.status_code": status},
        )
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def stop(self) -> None:
        """Sends what is left and ends the thread."""
        self._provider.shutdown()


def open_self_tracing(settings: Settings, *, version: str) -> SelfTracing | None:
    """None while `self_tracing_endpoint` is empty; raises ConfigurationError when it is not an http(s) URL."""
    return SelfTracing(settings.self_tracing_endpoint, version=version) if settings.self_tracing_endpoint else None


def traces_url(endpoint: str) -> str:
    """The endpoint with the path of traces, when it has none: `http://host:4318` means `http://host:4318/v1/traces`."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigurationError(
            f"self_tracing_endpoint must be an http:// or https:// URL, got {endpoint!r}",
            hint="for example http://127.0.0.1:4318",
        )
    return urlunsplit(parts._replace(path=TRACES_PATH)) if parts.path in ("", "/") else endpoint
