"""The poller's life: the whole table, and what no sequence of outcomes may break."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.pollers.readings import Reason
from collector.pollers.state import TRANSITIONS, Event, Outcome, Pace, Phase, PollerState, backoff, step
from core import ManualClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PACE = Pace(interval_s=10.0, max_backoff_s=60.0, jitter=0.1)


def outcome(event: Event, clock: ManualClock, **values: float) -> Outcome:
    reason = Reason.TIMEOUT if event is Event.FAILED else None
    return Outcome(event, clock.now(), clock.monotonic(), reason, "why" if reason else "", **values)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", Event)
def test_the_whole_table(phase: Phase, event: Event) -> None:
    """What the table does not have raises, and changes nothing."""
    state = PollerState(phase=phase, due=5.0, failures=1)
    if (phase, event) in TRANSITIONS:
        assert step(state, outcome(event, ManualClock(START)), PACE, 0.5).phase is TRANSITIONS[phase, event]
    else:
        assert phase is Phase.STOPPED
        with pytest.raises(ValueError, match="stopped"):
            step(state, outcome(event, ManualClock(START)), PACE, 0.5)


def test_the_pauses_double_up_to_the_limit() -> None:
    assert [backoff(PACE, failures) for failures in range(1, 7)] == [10, 20, 40, 60, 60, 60]
    assert backoff(PACE, 10_000) == 60


def test_a_source_that_asks_for_time_gets_it() -> None:
    """But not for ever."""
    clock = ManualClock(START)
    state = step(PollerState(), outcome(Event.FAILED, clock, retry_after_s=45), PACE, 0.5)
    assert state.due == 45
    assert step(PollerState(), outcome(Event.FAILED, clock, retry_after_s=1e9), PACE, 0.5).due == 3_600


paces = st.builds(
    lambda interval, times, jitter: Pace(interval, interval * times, jitter),
    st.floats(1, 3_600), st.floats(1, 100), st.floats(0, 0.5),
)  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from([Event.SUCCEEDED, Event.FAILED]), st.floats(0, 1), st.floats(0, 100)), max_size=40
)


@given(pace=paces, steps=steps)
def test_any_sequence(pace: Pace, steps: list[tuple[Event, float, float]]) -> None:
    """Never due in the past, never later than the limit allows; a success always brings the interval back."""
    clock, state, failures, success = ManualClock(START), PollerState(), 0, None
    for event, luck, took in steps:
        clock.advance(took)
        state = step(state, outcome(event, clock), pace, luck)
        pause = state.due - clock.monotonic()
        if event is Event.SUCCEEDED:
            failures, success = 0, clock.now()
            low, high = pace.interval_s, pace.interval_s
        else:
            failures += 1
            low = high = min(pace.interval_s * 2 ** (failures - 1), pace.max_backoff_s)
        assert low * (1 - pace.jitter) - 1e-6 <= pause <= high * (1 + pace.jitter) + 1e-6
        assert state.failures == failures
        assert state.last_success == success
        assert state.phase is (Phase.HEALTHY if event is Event.SUCCEEDED else Phase.FAILING)
        assert (state.reason is None) is (event is Event.SUCCEEDED)
