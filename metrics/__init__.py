"""Technical metrics: the names telemetry is pushed with and the catalogue of business events."""

from metrics.conventions import ActorType, CancelReason, ExceptionCategory, Stream
from metrics.events import (
    EventCatalogue,
    EventDefinition,
    Problem,
    ProblemKind,
    load_event_catalogue,
    validate_event,
)

__all__ = [
    "ActorType",
    "CancelReason",
    "EventCatalogue",
    "EventDefinition",
    "ExceptionCategory",
    "Problem",
    "ProblemKind",
    "Stream",
    "load_event_catalogue",
    "validate_event",
]
