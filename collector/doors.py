"""The table of doors of the HTTP receiver: which protocol stands behind which path."""

from __future__ import annotations

from collector.cloudevents import CloudEventsDoor, EventRules
from collector.receivers import Door, otlp_doors
from core import Clock

EVENTS_PATH, API_EVENTS_PATH = "/v1/events", "/api/v1/events"
"""The same door; the second is for the API's port, where it is described with the other routes."""


def http_doors(max_bytes: int, clock: Clock, rules: EventRules) -> dict[str, Door]:
    """Every door by path; bodies of at most `max_bytes`, also after decompression."""
    events = CloudEventsDoor(rules, clock, max_bytes)
    return {**otlp_doors(max_bytes), EVENTS_PATH: events, API_EVENTS_PATH: events}
