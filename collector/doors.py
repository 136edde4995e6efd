"""The table of doors of the HTTP receiver: which protocol stands behind which path."""

from __future__ import annotations

from collector.cloudevents import CloudEventsDoor, EventRules
from collector.receivers import Door, otlp_doors
from collector.remote_write import QueueMetrics, RemoteWriteDoor
from core import Clock

EVENTS_PATH, API_EVENTS_PATH = "/v1/events", "/api/v1/events"
"""The same door; the second is for the API's port, where it is described with the other routes."""

WRITE_PATH = "/api/v1/write"
"""Where Prometheus itself takes remote write."""


def http_doors(max_bytes: int, clock: Clock, rules: EventRules, queues: QueueMetrics) -> dict[str, Door]:
    """Every door by path; bodies of at most `max_bytes`, also after decompression."""
    events = CloudEventsDoor(rules, clock, max_bytes)
    write = RemoteWriteDoor(queues, max_bytes)
    return {**otlp_doors(max_bytes), EVENTS_PATH: events, API_EVENTS_PATH: events, WRITE_PATH: write}
