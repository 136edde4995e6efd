"""Turns facts into the OpenTelemetry SDK's own objects, with the times the facts say.

This is the one place that builds SDK objects by hand, which the SDK leaves to its providers; a back-fill needs it
because providers stamp metrics with the present. The exporters that send these objects are the SDK's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from demo.model.facts import GaugeFact, Kind, LogFact, Ref, SpanFact
from metrics.conventions import ERROR_TYPE, SERVICE_NAME, SERVICE_VERSION

SCOPE = InstrumentationScope("retail.demo", "1")
KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}
SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSET = Status(StatusCode.UNSET)


class ServiceResource(Resource):
    """A resource whose hash is its identity.

    The encoders group by resource and hash it once an item; the SDK's own hash writes the attributes as JSON each
    time, a third of the cost of a span. Equal by identity is right here: `Resources` makes one a service and version.
    """

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class Resources:
    """One resource for each version of each service."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], ServiceResource] = {}

    def of(self, service: str, version: str) -> ServiceResource:
        """The resource of that service in that version."""
        key = (service, version)
        if key not in self._known:
            self._known[key] = ServiceResource(
                {
                    SERVICE_NAME: service,
                    SERVICE_VERSION: version,
                    "service.namespace": "retail-demo",
                    "service.instance.id": f"{service}-1",
                    "deployment.environment.name": "demo",
                    "telemetry.sdk.language": "python",
                    "telemetry.sdk.name": "opentelemetry",
                }
            )
        return self._known[key]


def context_of(ref: Ref, *, remote: bool = True) -> SpanContext:
    """A span's context."""
    return SpanContext(ref.trace_id, ref.span_id, remote, SAMPLED)


def status_of(fact: SpanFact) -> Status:
    """Error with the fact's words, or unset."""
    return Status(StatusCode.ERROR, fact.error) if fact.error else _UNSET


def exception_of(fact: SpanFact) -> dict[str, str]:
    """The attributes of the exception event of a failed span."""
    return {"exception.type": str(fact.attributes.get(ERROR_TYPE, "error")), "exception.message": fact.error}


def to_span(fact: SpanFact, resources: Resources) -> ReadableSpan:
    """A finished span."""
    remote = fact.kind in (Kind.SERVER, Kind.CONSUMER)
    parent = context_of(Ref(fact.trace_id, fact.parent_id), remote=remote) if fact.parent_id else None
    return ReadableSpan(
        name=fact.name,
        context=context_of(Ref(fact.trace_id, fact.span_id), remote=False),
        parent=parent,
        resource=resources.of(fact.service, fact.version),
        attributes=fact.attributes,
        events=(Event("exception", exception_of(fact), fact.at),) if fact.error else (),
        links=tuple(Link(context_of(link)) for link in fact.links),
        kind=KINDS[fact.kind],
        status=status_of(fact),
        start_time=fact.start,
        end_time=fact.at,
        instrumentation_scope=SCOPE,
    )


def to_record(fact: LogFact) -> LogRecord:
    """A log record, without its resource."""
    record = LogRecord(
        timestamp=fact.at,
        observed_timestamp=fact.at,
        trace_id=fact.trace_id,
        span_id=fact.span_id,
        trace_flags=SAMPLED if fact.trace_id else TraceFlags(0),
        severity_number=SeverityNumber.ERROR if fact.severe else SeverityNumber.INFO,
        severity_text="ERROR" if fact.severe else "INFO",
        body=fact.body,
        attributes=fact.attributes,
    )
    record.event_name = fact.name or None
    return record


def to_log(fact: LogFact, resources: Resources) -> ReadableLogRecord:
    """A log record with its resource."""
    return ReadableLogRecord(to_record(fact), resources.of(fact.service, fact.version), SCOPE)


def to_metrics(facts: Iterable[GaugeFact], resources: Resources) -> MetricsData:
    """All points, grouped by service and metric."""
    groups: dict[ServiceResource, dict[tuple[str, str], list[NumberDataPoint]]] = {}
    for fact in facts:
        metrics = groups.setdefault(resources.of(fact.service, fact.version), {})
        point = NumberDataPoint(fact.attributes, 0, fact.at, fact.value)
        metrics.setdefault((fact.name, fact.unit), []).append(point)
    return MetricsData(
        [
            ResourceMetrics(
                resource,
                [
                    ScopeMetrics(
                        SCOPE, [Metric(name, "", unit, Gauge(points)) for (name, unit), points in metrics.items()], ""
                    )
                ],
                "",
            )
            for resource, metrics in groups.items()
        ]
    )
