"""What every component needs to know besides its data: when it is, where, and how data get in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dashboards import formats


@dataclass(frozen=True)
class Doors:
    """Where telemetry can be pushed to; shown when there is none yet."""

    otlp_grpc: str = "127.0.0.1:4317"
    otlp_http: str = "http://127.0.0.1:4318"


@dataclass(frozen=True)
class View:
    """One rendering. `now` is read once; `stale_after` is how old the newest data may be before the page says so."""

    now: datetime
    zone: ZoneInfo
    doors: Doors = Doors()
    stale_after: timedelta = timedelta(minutes=5)

    def time(self, at: datetime) -> str:
        """The time of day (with the day when it is another one) and the zone's name."""
        return formats.clock_time(at, self.zone, self.now)

    def ago(self, at: datetime) -> str:
        """How long since, in words."""
        return formats.ago(at, self.now)

    def stale(self, at: datetime) -> bool:
        """Whether it is older than what is tolerated."""
        return self.now - at > self.stale_after
