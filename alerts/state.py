"""The life of an alert, as a table fed with time.

An alert is *inactive* (nothing to say), *pending* (the condition holds, for less than the rule's `for`), *firing* (it
has held for long enough) or *resolved* (it is over, and shown for a while). `step` is pure: the same alert,
observation and instant give the same result, live and in replay. It is the only thing that changes a state, along
`TRANSITIONS`.

No data is not good news: it keeps the state and its clocks, and says so as the reason. A pending alert therefore
never fires on silence (it fires on the next breach, with the time of the first one), and a firing alert never
resolves on silence. The same goes for a value with too few cases behind it. What is not promised: that an alert whose
data has stopped for good ever ends by itself; its last value's time is there to be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

RESOLVED_KEPT_S = 900.0
"""How long a resolved alert is remembered as such, in seconds."""


class AlertState(StrEnum):
    """Where an alert stands."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Verdict(StrEnum):
    """What an observation says about the rule's condition."""

    BREACH = "breach"
    CLEAR = "clear"
    NO_DATA = "no_data"
    SMALL_SAMPLE = "small_sample"
    WITHDRAWN = "withdrawn"  # the rule does not exist any more


class Input(StrEnum):
    """What the table is asked with: the verdict, and whether it has held for the time that counts in that state."""

    BREACH = "breach"
    BREACH_HELD = "breach_held"
    CLEAR = "clear"
    CLEAR_HELD = "clear_held"
    NO_DATA = "no_data"
    SMALL_SAMPLE = "small_sample"
    WITHDRAWN = "withdrawn"


class Reason(StrEnum):
    """Why the alert is where it is."""

    QUIET = "quiet"
    STARTED = "condition_started"
    WAITING = "waiting_for_duration"
    HELD = "condition_held"
    STILL = "condition_still_holds"
    TOO_SHORT = "ended_before_duration"
    KEPT = "kept_firing"
    ENDED = "condition_ended"
    SHOWN = "recently_resolved"
    NO_DATA = "no_data"
    SMALL_SAMPLE = "small_sample"
    WITHDRAWN = "rule_withdrawn"


_S, _I, _R = AlertState, Input, Reason

TRANSITIONS: Mapping[tuple[AlertState, Input], tuple[AlertState, Reason]] = {
    (_S.INACTIVE, _I.BREACH): (_S.PENDING, _R.STARTED),
    (_S.INACTIVE, _I.BREACH_HELD): (_S.FIRING, _R.HELD),
    (_S.INACTIVE, _I.CLEAR): (_S.INACTIVE, _R.QUIET),
    (_S.INACTIVE, _I.CLEAR_HELD): (_S.INACTIVE, _R.QUIET),
    (_S.INACTIVE, _I.NO_DATA): (_S.INACTIVE, _R.NO_DATA),
    (_S.INACTIVE, _I.SMALL_SAMPLE): (_S.INACTIVE, _R.SMALL_SAMPLE),
    (_S.INACTIVE, _I.WITHDRAWN): (_S.INACTIVE, _R.WITHDRAWN),
    (_S.PENDING, _I.BREACH): (_S.PENDING, _R.WAITING),
    (_S.PENDING, _I.BREACH_HELD): (_S.FIRING, _R.HELD),
    (_S.PENDING, _I.CLEAR): (_S.INACTIVE, _R.TOO_SHORT),
    (_S.PENDING, _I.CLEAR_HELD): (_S.INACTIVE, _R.TOO_SHORT),
    (_S.PENDING, _I.NO_DATA): (_S.PENDING, _R.NO_DATA),
    (_S.PENDING, _I.SMALL_SAMPLE): (_S.PENDING, _R.SMALL_SAMPLE),
    (_S.PENDING, _I.WITHDRAWN): (_S.INACTIVE, _R.WITHDRAWN),
    (_S.FIRING, _I.BREACH): (_S.FIRING, _R.STILL),
    (_S.FIRING, _I.BREACH_HELD): (_S.FIRING, _R.STILL),
    (_S.FIRING, _I.CLEAR): (_S.FIRING, _R.KEPT),
    (_S.FIRING, _I.CLEAR_HELD): (_S.RESOLVED, _R.ENDED),
    (_S.FIRING, _I.NO_DATA): (_S.FIRING, _R.NO_DATA),
    (_S.FIRING, _I.SMALL_SAMPLE): (_S.FIRING, _R.SMALL_SAMPLE),
    (_S.FIRING, _I.WITHDRAWN): (_S.RESOLVED, _R.WITHDRAWN),
    (_S.RESOLVED, _I.BREACH): (_S.PENDING, _R.STARTED),
    (_S.RESOLVED, _I.BREACH_HELD): (_S.FIRING, _R.HELD),
    (_S.RESOLVED, _I.CLEAR): (_S.RESOLVED, _R.SHOWN),
    (_S.RESOLVED, _I.CLEAR_HELD): (_S.INACTIVE, _R.QUIET),
    (_S.RESOLVED, _I.NO_DATA): (_S.RESOLVED, _R.NO_DATA),
    (_S.RESOLVED, _I.SMALL_SAMPLE): (_S.RESOLVED, _R.SMALL_SAMPLE),
    (_S.RESOLVED, _I.WITHDRAWN): (_S.INACTIVE, _R.WITHDRAWN),
}


@dataclass(frozen=True)
class Timing:
    """A rule's durations, in seconds."""

    for_s: float = 0.0
    keep_firing_for_s: float = 0.0


@dataclass(frozen=True)
class Observation:
    """What was seen: the verdict, the value behind it and the instant the value speaks of (None without data)."""

    verdict: Verdict
    value: float | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Alert:
    """One labelled instance of a rule.

    since: when the state began. active_since: the first breach of this episode. fired_at: when it began to fire, kept
    while resolved. clear_since: the first clear observation while firing. value, value_at: the last that counted.
    """

    state: AlertState = AlertState.INACTIVE
    reason: Reason = Reason.QUIET
    since: datetime | None = None
    active_since: datetime | None = None
    fired_at: datetime | None = None
    clear_since: datetime | None = None
    value: float | None = None
    value_at: datetime | None = None


def step(alert: Alert, observation: Observation, now: datetime, timing: Timing) -> tuple[Alert, Reason]:
    """The alert after one observation at `now`, and why it is there. Pure; never raises for a known state."""
    given = classify(alert, observation.verdict, now, timing)
    state, reason = TRANSITIONS[alert.state, given]
    after = replace(alert, state=state, reason=reason)
    if state is not alert.state:
        after = replace(after, since=now)
    if observation.verdict in (Verdict.BREACH, Verdict.CLEAR):
        after = replace(after, value=observation.value, value_at=observation.at)
    return _with_clocks(alert, after, given, now), reason


def classify(alert: Alert, verdict: Verdict, now: datetime, timing: Timing) -> Input:
    """The verdict with time taken into account. A clock that stepped back makes nothing look held."""
    if verdict is Verdict.BREACH:
        if alert.state is AlertState.FIRING:
            return Input.BREACH_HELD
        began = alert.active_since if alert.state is AlertState.PENDING else None
        return Input.BREACH_HELD if _held(began, now, timing.for_s) else Input.BREACH
    if verdict is Verdict.CLEAR:
        if alert.state is AlertState.FIRING:
            return Input.CLEAR_HELD if _held(alert.clear_since, now, timing.keep_firing_for_s) else Input.CLEAR
        if alert.state is AlertState.RESOLVED:
            return Input.CLEAR_HELD if _held(alert.since, now, RESOLVED_KEPT_S) else Input.CLEAR
        return Input.CLEAR_HELD
    return Input(verdict.value)


def _held(began: datetime | None, now: datetime, duration_s: float) -> bool:
    return now - (began or now) >= timedelta(seconds=duration_s)


def _with_clocks(before: Alert, after: Alert, given: Input, now: datetime) -> Alert:
    if after.state is AlertState.INACTIVE:
        return replace(after, active_since=None, fired_at=None, clear_since=None)
    if after.state is AlertState.RESOLVED:
        return replace(after, clear_since=None)
    new_episode = before.state in (AlertState.INACTIVE, AlertState.RESOLVED)
    active_since = now if new_episode else before.active_since
    if after.state is AlertState.PENDING:
        return replace(after, active_since=active_since, fired_at=None, clear_since=None)
    clear_since = before.clear_since
    if given is Input.CLEAR:
        clear_since = before.clear_since or now
    elif given in (Input.BREACH, Input.BREACH_HELD):
        clear_since = None
    fired_at = before.fired_at if before.state is AlertState.FIRING else now
    return replace(after, active_since=active_since, fired_at=fired_at, clear_since=clear_since)


def transitions_markdown() -> str:
    """The table as the documentation shows it."""
    lines = ["| state | " + " | ".join(given.value.replace("_", " ") for given in Input) + " |"]
    lines.append("|---|" + "---|" * len(Input))
    for state in AlertState:
        cells = [TRANSITIONS[state, given] for given in Input]
        lines.append(f"| {state} | " + " | ".join(f"{target} ({why.value})" for target, why in cells) + " |")
    return "\n".join(lines)
