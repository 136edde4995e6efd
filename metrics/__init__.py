"""Technical metrics: names of telemetry, read models over it, and the service's own metrics and traces."""

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
    "ApiLatency",
    "OwnMetrics",
    "QueueDepth",
    "RequestTiming",
    "SelfTracing",
    "SpanEvent",
    "SpanLink",
    "Trace",
    "TraceSpan",
    "WebhookFailures",
    "api_latency",
    "open_self_tracing",
    "queue_depths",
    "render",
    "trace",
    "webhook_failures",
]
