"""What a source is asked for and what it answers: readings, or a failure with a reason.

A reading says only what the source said. What it did not say is None, and becomes a gap, never a zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.clock import Clock
from core.errors import Retryable

CLOCKS_APART_S = 5.0
"""How far in the future another machine's time may lie before it is not believed."""


class Reason(StrEnum):
    """Why a poll failed; a closed set, because it is a label."""

    UNREACHABLE = "unreachable"  # no connection, or it broke
    TLS = "tls"  # the connection could not be made safe
    TIMEOUT = "timeout"  # no whole answer in time
    CREDENTIALS = "credentials"  # refused for who we are
    FORBIDDEN = "forbidden"  # known, and not allowed to
    NOT_FOUND = "not_found"  # no such vhost, path, key or table
    BUSY = "busy"  # it asked us to come again later
    ANSWER = "answer"  # it answered something that cannot be used
    TOO_MUCH = "too_much"  # more queues, rows or bytes than the limit
    STORE = "store"  # our own log did not take the points
    INTERNAL = "internal"  # a mistake in the poller


class PollFailed(Retryable):
    """A poll brought nothing. `reason` is for counting, the message and the hint are for people."""

    def __init__(self, reason: Reason, message: str, *, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message, retry_after_s=retry_after_s, hint=hint)
        self.reason = reason


@dataclass(frozen=True)
class QueueReading:
    """One queue at one instant. Counts are items, ages seconds, rates items a second; None is not known.

    `depth` counts what waits to be taken; what consumers hold and have not finished is `in_flight`. `group` is the
    consumer group that the backlog belongs to, '' where the system has none.
    """

    system: str
    destination: str
    depth: float | None
    oldest_age_s: float | None = None
    group: str = ""
    in_flight: float | None = None
    oldest_in_flight_s: float | None = None
    consumers: float | None = None
    publish_rate: float | None = None
    deliver_rate: float | None = None
    partitions: tuple[tuple[int, float], ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it this queue and no other."""
        return self.system, self.destination, self.group


@dataclass(frozen=True)
class Polled:
    """What a poll brought. `problems` are about single queues that could not be read; the others stand."""

    readings: tuple[QueueReading, ...]
    problems: tuple[str, ...] = ()


class Deadline:
    """The end of one poll; whoever is about to wait asks it how long."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self.seconds = clock, seconds
        self._end = clock.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, more than 0; raises PollFailed when there are none."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise PollFailed(
                Reason.TIMEOUT,
                f"the poll was not over after {self.seconds:g} s",
                hint="raise timeout_s, or poll fewer queues with one poller",
            )
        return left

    def within(self, seconds: float) -> Deadline:
        """An end for a part of the poll: after so many seconds, and not after its own. Raises PollFailed."""
        return Deadline(self._clock, min(seconds, self.left()))


class Source(Protocol):
    """A queue system. Used by one thread at a time."""

    def poll(self, now: datetime, deadline: Deadline) -> Polled:
        """What the queues hold now; `now` is the instant that ages are counted to. Raises PollFailed."""
        ...

    def close(self) -> None:
        """Lets go of connections; never raises."""
        ...


def number(value: object) -> float | None:
    """A finite number of 0 or more, else None; true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def age(now: datetime, since: datetime | None) -> float | None:
    """Seconds from `since` to now; None when it is not known, or lies in the future by more than clocks differ."""
    if since is None:
        return None
    seconds = (now - since).total_seconds()
    return max(0.0, seconds) if seconds >= -CLOCKS_APART_S else None
