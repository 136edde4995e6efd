"""Process intelligence over `process_events`: what the cases of a stream do, and where open ones wait."""

from kpis.process.streams import ValueStream, parse_streams, value_streams
from kpis.process.summary import (
    Bottleneck,
    Edge,
    ProcessSummary,
    Variant,
    WorkingWaiting,
    process_streams,
    process_summary,
)
from kpis.process.waiting import WaitingStep, waiting_now

__all__ = [
    "Bottleneck",
    "Edge",
    "ProcessSummary",
    "ValueStream",
    "Variant",
    "WaitingStep",
    "WorkingWaiting",
    "parse_streams",
    "process_streams",
    "process_summary",
    "value_streams",
    "waiting_now",
]
