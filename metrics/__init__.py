"""Technical metrics: names of telemetry, business events, read models, and the service's own metrics and traces."""

from metrics.conventions import ActorType, CancelReason, ExceptionCategory, Stream
from metrics.events import (
    CatalogueRules,
    EventCatalogue,
    EventDefinition,
    Problem,
    ProblemKind,
    load_event_catalogue,
    validate_event,
)
from metrics.own import OwnMetrics, RequestTiming, SelfTracing, open_self_tracing, render
from metrics.read_models import (
    ApiLatency,
    QueueDepth,
    SpanEvent,
    SpanLink,
    Trace,
    TraceSpan,
    WebhookFailures,
    api_latency,
    queue_depths,
    trace,
    webhook_failures,
)

__all__ = [
    "ActorType",
    "ApiLatency",
    "CancelReason",
    "CatalogueRules",
    "EventCatalogue",
    "EventDefinition",
    "ExceptionCategory",
    "OwnMetrics",
    "Problem",
    "ProblemKind",
    "QueueDepth",
    "RequestTiming",
    "SelfTracing",
    "SpanEvent",
    "SpanLink",
    "Stream",
    "Trace",
    "TraceSpan",
    "WebhookFailures",
    "api_latency",
    "load_event_catalogue",
    "open_self_tracing",
    "queue_depths",
    "render",
    "trace",
    "validate_event",
    "webhook_failures",
]
