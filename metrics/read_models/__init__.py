"""Read models over telemetry: the few questions that pages, alerts and the API ask, each one named statement.

Every function takes the tenant and answers for that tenant alone. None of them caches.
"""

from metrics.read_models._values import as_utc, sql_second, sql_time
from metrics.read_models.latency import ApiLatency, api_latency
from metrics.read_models.queues import QueueDepth, queue_depths, same_hour_of_week
from metrics.read_models.traces import SpanEvent, SpanLink, Trace, TraceSpan, trace
from metrics.read_models.webhooks import WebhookFailures, webhook_failures

__all__ = [
    "ApiLatency",
    "QueueDepth",
    "SpanEvent",
    "SpanLink",
    "Trace",
    "TraceSpan",
    "WebhookFailures",
    "api_latency",
    "as_utc",
    "queue_depths",
    "same_hour_of_week",
    "sql_second",
    "sql_time",
    "trace",
    "webhook_failures",
]
