"""The machine: every state with every input, and properties over random histories."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import Alert, AlertState, Observation, Reason, Timing, Verdict, step
from alerts.state import RESOLVED_KEPT_S, TRANSITIONS, Input, transitions_markdown

S, V, R = AlertState, Verdict, Reason
T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TIMING = Timing(for_s=60, keep_firing_for_s=300)


def ago(seconds: float) -> datetime:
    return T0 - timedelta(seconds=seconds)


def pending(seconds: float) -> Alert:
    return Alert(S.PENDING, R.STARTED, ago(seconds), ago(seconds), None, None, 7.0, ago(seconds))


def firing(clear_for: float | None = None) -> Alert:
    clear = None if clear_for is None else ago(clear_for)
    return Alert(S.FIRING, R.HELD, ago(600), ago(660), ago(600), clear, 7.0, ago(15))


def resolved(seconds: float) -> Alert:
    return Alert(S.RESOLVED, R.ENDED, ago(seconds), ago(2000), ago(1900), None, 1.0, ago(seconds))


QUIET, OLD = Alert(), RESOLVED_KEPT_S

CASES = [
    ("inactive+breach", QUIET, V.BREACH, S.PENDING, R.STARTED),
    ("inactive+clear", QUIET, V.CLEAR, S.INACTIVE, R.QUIET),
    ("inactive+no_data", QUIET, V.NO_DATA, S.INACTIVE, R.NO_DATA),
    ("inactive+small_sample", QUIET, V.SMALL_SAMPLE, S.INACTIVE, R.SMALL_SAMPLE),
    ("inactive+withdrawn", QUIET, V.WITHDRAWN, S.INACTIVE, R.WITHDRAWN),
    ("pending+breach, just short", pending(59.9), V.BREACH, S.PENDING, R.WAITING),
    ("pending+breach, just long enough", pending(60), V.BREACH, S.FIRING, R.HELD),
    ("pending+clear", pending(59.9), V.CLEAR, S.INACTIVE, R.TOO_SHORT),
    ("pending+no_data", pending(9_999), V.NO_DATA, S.PENDING, R.NO_DATA),
    ("pending+small_sample", pending(9_999), V.SMALL_SAMPLE, S.PENDING, R.SMALL_SAMPLE),
    ("pending+withdrawn", pending(10), V.WITHDRAWN, S.INACTIVE, R.WITHDRAWN),
    ("firing+breach", firing(), V.BREACH, S.FIRING, R.STILL),
    ("firing+breach again", firing(299), V.BREACH, S.FIRING, R.STILL),
    ("firing+clear, first", firing(), V.CLEAR, S.FIRING, R.KEPT),
    ("firing+clear, just short", firing(299.9), V.CLEAR, S.FIRING, R.KEPT),
    ("firing+clear, long enough", firing(300), V.CLEAR, S.RESOLVED, R.ENDED),
    ("firing+no_data", firing(9_999), V.NO_DATA, S.FIRING, R.NO_DATA),
    ("firing+small_sample", firing(9_999), V.SMALL_SAMPLE, S.FIRING, R.SMALL_SAMPLE),
    ("firing+withdrawn", firing(), V.WITHDRAWN, S.RESOLVED, R.WITHDRAWN),
    ("resolved+breach", resolved(10), V.BREACH, S.PENDING, R.STARTED),
    ("resolved+clear", resolved(OLD - 1), V.CLEAR, S.RESOLVED, R.SHOWN),
    ("resolved+clear, later", resolved(OLD), V.CLEAR, S.INACTIVE, R.QUIET),
    ("resolved+no_data", resolved(OLD), V.NO_DATA, S.RESOLVED, R.NO_DATA),
    ("resolved+small_sample", resolved(OLD), V.SMALL_SAMPLE, S.RESOLVED, R.SMALL_SAMPLE),
    ("resolved+withdrawn", resolved(10), V.WITHDRAWN, S.INACTIVE, R.WITHDRAWN),
]


@pytest.mark.parametrize(
    ("before", "verdict", "state", "reason"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_every_state_with_every_verdict(before: Alert, verdict: V, state: S, reason: R) -> None:
    after, why = step(before, Observation(verdict, 9.0, T0), T0, TIMING)
    assert (after.state, after.reason, why) == (state, reason, reason)
    assert after.since == (T0 if state is not before.state else before.since)


def test_the_cases_cover_every_pair() -> None:
    assert {(case[1].state, case[2]) for case in CASES} == set(itertools.product(S, V))


@pytest.mark.parametrize("before", [QUIET, resolved(10)], ids=["inactive", "resolved"])
def test_without_a_duration_it_fires_at_once(before: Alert) -> None:
    after, why = step(before, Observation(V.BREACH, 9.0, T0), T0, Timing())
    assert (after.state, why, after.fired_at, after.active_since) == (S.FIRING, R.HELD, T0, T0)


def test_without_keep_firing_it_resolves_at_once() -> None:
    assert step(firing(), Observation(V.CLEAR, 0.0, T0), T0, Timing(60, 0))[0].state is S.RESOLVED


def test_the_table_is_complete() -> None:
    assert set(TRANSITIONS) == set(itertools.product(S, Input))


def test_the_documentation_shows_this_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text("utf-8")
    assert transitions_markdown() in page


def test_silence_keeps_value_and_clocks() -> None:
    """The gap counts neither as a breach nor as calm: the clocks go on from where they were."""
    before = firing(clear_for=100)
    after, _ = step(before, Observation(V.NO_DATA), T0, TIMING)
    assert (after.value, after.value_at, after.clear_since) == (before.value, before.value_at, before.clear_since)


def test_a_clock_that_steps_back_holds_nothing() -> None:
    later = Alert(S.PENDING, R.STARTED, T0, T0)
    assert step(later, Observation(V.BREACH, 1.0, T0), ago(3_600), TIMING)[0].state is S.PENDING


HISTORY = st.lists(st.tuples(st.floats(0, 400), st.sampled_from(V)), max_size=60)
TIMINGS = st.builds(Timing, st.sampled_from([0, 60, 300]), st.sampled_from([0, 60, 300]))


@given(HISTORY, TIMINGS)
def test_random_histories(history: list[tuple[float, Verdict]], timing: Timing) -> None:
    """What the rule's durations promise, recomputed from the history itself."""
    alert, now = Alert(), T0
    breached_since: datetime | None = None  # first breach with no clear since
    clear_since: datetime | None = None  # first clear with no breach since
    told: list[S] = []
    for pause, verdict in history:
        now += timedelta(seconds=pause)
        if verdict is V.BREACH:
            breached_since, clear_since = breached_since or now, None
        elif verdict is V.CLEAR:
            clear_since, breached_since = clear_since or now, None
        elif verdict is V.WITHDRAWN:
            breached_since = None
        before, (alert, _) = alert, step(alert, Observation(verdict, 1.0, now), now, timing)
        if verdict in (V.NO_DATA, V.SMALL_SAMPLE):
            assert alert.state is before.state
        if alert.state is S.FIRING and before.state is not S.FIRING:
            assert verdict is V.BREACH
            assert breached_since is not None
            assert now - breached_since >= timedelta(seconds=timing.for_s)
            assert alert.fired_at == now
            told.append(S.FIRING)
        if before.state is S.FIRING and alert.state is not S.FIRING:
            assert alert.state is S.RESOLVED
            if verdict is V.CLEAR:
                assert clear_since is not None
                assert now - clear_since >= timedelta(seconds=timing.keep_firing_for_s)
            else:
                assert verdict is V.WITHDRAWN
            told.append(S.RESOLVED)
        assert (alert.fired_at is not None) == (alert.state in (S.FIRING, S.RESOLVED))
        assert (alert.active_since is None) == (alert.state is S.INACTIVE)
        again, _ = step(alert, Observation(verdict, 1.0, now), now, timing)
        if not (verdict is V.WITHDRAWN and alert.state is S.RESOLVED):
            assert again.state is alert.state, "the same observation at the same instant changes nothing more"
    assert told == [S.FIRING, S.RESOLVED] * (len(told) // 2) + [S.FIRING] * (len(told) % 2)
