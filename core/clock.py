"""Time as a constructor argument, so that tests move it.

A unit of work reads the clock once and passes the reading down. Nothing here promises that wall time never steps
back; whoever measures an interval uses `monotonic`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where a component reads the time from."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""
        ...

    def time_ns(self) -> int:
        """The wall time in nanoseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def time_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is told to move; for tests and for replay."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError(f"the start of a clock must be aware, got {start!r}")
        self._start = start
        self._elapsed = timedelta()

    def now(self) -> datetime:
        return self._start + self._elapsed

    def time_ns(self) -> int:
        whole = self.now() - datetime(1970, 1, 1, tzinfo=UTC)
        return ((whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds) * 1_000

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    def advance(self, seconds: float) -> None:
        """Moves both clocks forward; seconds must not be negative."""
        if seconds < 0:
            raise ValueError(f"a clock advances by 0 seconds or more, got {seconds}")
        self._elapsed += timedelta(seconds=seconds)
