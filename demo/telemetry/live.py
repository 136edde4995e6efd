"""The retailer in the present: nine services with providers of their own, as an instrumented service would have.

Spans and log records keep the times and ids of the facts; queue gauges are observable instruments, read at every
collection. Batching, queueing and retrying are the SDK's: when the server is away for long, its batch queue drops, and
what was dropped is missing from the counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, NonRecordingSpan, Tracer, set_span_in_context

from demo.model.facts import Fact, GaugeFact, LogFact, Ref, SpanFact
from demo.telemetry.exporters import Exporters
from demo.telemetry.sdk import KINDS, SCOPE, Resources, context_of, exception_of, status_of, to_record
from metrics.conventions import MESSAGING_DESTINATION, MESSAGING_SYSTEM, QUEUE_DEPTH, QUEUE_OLDEST_AGE

FLUSH_MILLIS = 1_000
GAUGE_MILLIS = 10_000

Depth = tuple[str, str, str, int, float]
"""Messaging system, queue, owning service, depth, age of the oldest in seconds."""


class _FactIds(IdGenerator):
    """Gives the next span the ids of the fact it is made from."""

    def __init__(self) -> None:
        self.next = Ref(1, 1)

    def generate_trace_id(self) -> int:
        return self.next.trace_id

    def generate_span_id(self) -> int:
        return self.next.span_id


class LiveServices:
    """Providers of all services behind one set of exporters; used from one thread."""

    def __init__(self, exporters: Exporters, depths: Callable[[], list[Depth]]) -> None:
        self._exporters = exporters
        self._resources = Resources()
        self._ids = _FactIds()
        self._tracers: dict[tuple[str, str], Tracer] = {}
        self._spans: SpanProcessor = BatchSpanProcessor(
            exporters.spans, max_queue_size=16_384, schedule_delay_millis=FLUSH_MILLIS
        )
        self._logs = BatchLogRecordProcessor(exporters.logs, max_queue_size=16_384, schedule_delay_millis=FLUSH_MILLIS)
        self._loggers: dict[tuple[str, str], LoggerProvider] = {}
        self._meters = [self._meter(service, depths) for service in sorted({depth[2] for depth in depths()})]

    def emit(self, facts: Iterable[Fact]) -> int:
        """Tells the SDK of facts; gauge facts are left to the gauges. Returns how many were told."""
        told = 0
        for fact in facts:
            if isinstance(fact, SpanFact):
                self._span(fact)
            elif isinstance(fact, LogFact):
                self._logger(fact).get_logger(SCOPE.name, SCOPE.version).emit(to_record(fact))
            told += not isinstance(fact, GaugeFact)
        return told

    def close(self) -> None:
        """Sends what is left and ends the providers; the exporters' owner closes those."""
        for meter in self._meters:
            meter.shutdown()
        self._spans.shutdown()
        self._logs.shutdown()  # type: ignore[no-untyped-call]

    def _span(self, fact: SpanFact) -> None:
        self._ids.next = Ref(fact.trace_id, fact.span_id)
        context = None
        if fact.parent_id:
            context = set_span_in_context(NonRecordingSpan(context_of(Ref(fact.trace_id, fact.parent_id))))
        span = self._tracer(fact).start_span(
            fact.name,
            context,
            KINDS[fact.kind],
            fact.attributes,
            [Link(context_of(link)) for link in fact.links],
            fact.start,
        )
        if fact.error:
            span.add_event("exception", exception_of(fact), fact.at)
            span.set_status(status_of(fact))
        span.end(fact.at)

    def _tracer(self, fact: SpanFact) -> Tracer:
        key = (fact.service, fact.version)
        if key not in self._tracers:
            provider = TracerProvider(ALWAYS_ON, self._resources.of(*key), False, id_generator=self._ids)
            provider.add_span_processor(self._spans)
            self._tracers[key] = provider.get_tracer(SCOPE.name, SCOPE.version)
        return self._tracers[key]

    def _logger(self, fact: LogFact) -> LoggerProvider:
        key = (fact.service, fact.version)
        if key not in self._loggers:
            provider = LoggerProvider(self._resources.of(*key), shutdown_on_exit=False)
            provider.add_log_record_processor(self._logs)
            self._loggers[key] = provider
        return self._loggers[key]

    def _meter(self, service: str, depths: Callable[[], list[Depth]]) -> MeterProvider:
        def observe(reading: Callable[[Depth], float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
            def read(_: CallbackOptions) -> Iterable[Observation]:
                for depth in depths():
                    if depth[2] == service:
                        where = {MESSAGING_SYSTEM: depth[0], MESSAGING_DESTINATION: depth[1]}
                        yield Observation(reading(depth), where)

            return read

        reader = PeriodicExportingMetricReader(self._exporters.metrics, export_interval_millis=GAUGE_MILLIS)
        provider = MeterProvider([reader], self._resources.of(service, ""), shutdown_on_exit=False)
        meter = provider.get_meter(SCOPE.name, SCOPE.version or "")
        meter.create_observable_gauge(QUEUE_DEPTH, [observe(lambda depth: depth[3])], "{item}")
        meter.create_observable_gauge(QUEUE_OLDEST_AGE, [observe(lambda depth: depth[4])], "s")
        return provider
