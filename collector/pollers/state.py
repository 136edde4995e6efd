"""The life of a poller, as a table fed with outcomes: when it is due next, and what is known of it.

A poller is *new* until its first poll, *healthy* while polls succeed, *failing* from the first failure to the next
success, and *stopped* for ever. A healthy poller is due after its interval, a failing one after a pause that doubles
with every failure up to a limit (or later, where the source asked for it). Both are spread by a jitter, so that many
pollers do not ask one broker in the same instant. `step` is pure and the only thing that changes a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from collector.pollers.readings import Reason


class Phase(StrEnum):
    """Where a poller stands."""

    NEW = "new"
    HEALTHY = "healthy"
    FAILING = "failing"
    STOPPED = "stopped"


class Event(StrEnum):
    """What happened to it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


TRANSITIONS: Mapping[tuple[Phase, Event], Phase] = {
    (Phase.NEW, Event.SUCCEEDED): Phase.HEALTHY,
    (Phase.NEW, Event.FAILED): Phase.FAILING,
    (Phase.NEW, Event.STOPPED): Phase.STOPPED,
    (Phase.HEALTHY, Event.SUCCEEDED): Phase.HEALTHY,
    (Phase.HEALTHY, Event.FAILED): Phase.FAILING,
    (Phase.HEALTHY, Event.STOPPED): Phase.STOPPED,
    (Phase.FAILING, Event.SUCCEEDED): Phase.HEALTHY,
    (Phase.FAILING, Event.FAILED): Phase.FAILING,
    (Phase.FAILING, Event.STOPPED): Phase.STOPPED,
}
"""Everything that can happen; a stopped poller takes nothing any more."""


@dataclass(frozen=True)
class Pace:
    """How often: seconds between polls, the longest pause after failures, and the share both are spread by (0 to 1)."""

    interval_s: float
    max_backoff_s: float
    jitter: float


@dataclass(frozen=True)
class Outcome:
    """The end of a poll. `at` is the wall time of its end, `monotonic` the same on the clock that never steps back."""

    event: Event
    at: datetime
    monotonic: float
    reason: Reason | None = None
    message: str = ""
    retry_after_s: float = 0.0


@dataclass(frozen=True)
class PollerState:
    """`due` is on the monotonic clock; `failures` counts those since the last success."""

    phase: Phase = Phase.NEW
    due: float = 0.0
    failures: int = 0
    last_success: datetime | None = None
    reason: Reason | None = None
    message: str = ""


def backoff(pace: Pace, failures: int) -> float:
    """Seconds of pause after so many failures in a row: interval, twice that, four times, … up to the limit."""
    doublings = min(failures - 1, 32)
    return float(min(pace.max_backoff_s, pace.interval_s * 2**doublings))


def spread(seconds: float, jitter: float, luck: float) -> float:
    """The pause moved by up to its share `jitter` to either side; `luck` is a random number from 0 to 1."""
    return seconds * (1 + jitter * (2 * luck - 1))


def step(state: PollerState, outcome: Outcome, pace: Pace, luck: float) -> PollerState:
    """The state after the outcome. Raises ValueError, and means a mistake of ours, when the poller is stopped."""
    phase = TRANSITIONS.get((state.phase, outcome.event))
    if phase is None:
        raise ValueError(f"a {state.phase} poller cannot have {outcome.event}")
    match outcome.event:
        case Event.SUCCEEDED:
            due = outcome.monotonic + spread(pace.interval_s, pace.jitter, luck)
            return PollerState(phase, due, 0, outcome.at)
        case Event.FAILED:
            failures = state.failures + 1
            pause = max(spread(backoff(pace, failures), pace.jitter, luck), min(outcome.retry_after_s, 3_600.0))
            return replace(
                state, phase=phase, due=outcome.monotonic + pause, failures=failures,
                reason=outcome.reason, message=outcome.message,
            )  # fmt: skip
        case Event.STOPPED:
            return replace(state, phase=phase)
