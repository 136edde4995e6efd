"""The three OTLP signals, and what is known of a segment of the write-ahead log when it is inserted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Signal(StrEnum):
    """A kind of telemetry; the value is the last part of its OTLP/HTTP path."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


@dataclass(frozen=True)
class SegmentMeta:
    """What the engine is told beside the bytes.

    `segment` is the id of an immutable segment, `received_at_ns` when its first item came, in nanoseconds since the
    Unix epoch: both must be the same whenever the same bytes are inserted again. `part` tells apart what had to be
    inserted in pieces.
    """

    tenant: str
    segment: int
    received_at_ns: int
    part: str = ""

    def token(self, signal: Signal) -> str:
        """The deduplication token: names these bytes, forever."""
        return f"{self.segment}-{signal}-{self.tenant}" + (f"-{self.part}" if self.part else "")
