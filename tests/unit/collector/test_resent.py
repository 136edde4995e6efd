"""The same bytes again: recognised within the window, by content, however often a segment is replayed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from sqlalchemy import delete

from collector.resent import SeenRequests
from collector.wal import Frame
from storage import Signal, StateDb
from storage.state.resent_tables import CLAIMED_SEGMENTS, SEEN_REQUESTS
from tests.unit.collector.support import frame

SECOND = 10**9


def seen(state: StateDb, window_s: float = 60) -> SeenRequests:
    return SeenRequests(state, window_s=window_s)


def test_the_first_is_kept_whoever_asks_again(state: StateDb) -> None:
    """A replay of either segment decides the same."""
    found = seen(state)
    assert found.claim(1, 5, [frame(1), frame(2)]) == frozenset()
    assert found.claim(2, 5, [frame(2), frame(3), frame(3)]) == {0, 2}
    assert found.claim(1, 5, [frame(1), frame(2)]) == frozenset()
    assert seen(state).claim(2, 5, [frame(2), frame(3), frame(3)]) == {0, 2}


def test_signal_and_tenant_belong_to_the_content(state: StateDb) -> None:
    """Two shops may send the same bytes."""
    same = [frame(1), frame(1, tenant="other"), replace(frame(1), signal=Signal.LOGS)]
    assert seen(state).claim(1, 5, same) == frozenset()


@pytest.mark.parametrize(("seconds", "again"), [(59, {0}), (60, {0}), (61, frozenset()), (-61, {0}), (-3600, {0})])
def test_outside_the_window_it_is_new(seconds: int, again: set[int], state: StateDb) -> None:
    """And the first for those after it. A clock that was set back makes nothing new, however far."""
    found, late = seen(state), replace(frame(1), received_at_ns=frame(1).received_at_ns + seconds * SECOND)
    assert found.claim(1, 5, [frame(1)]) == frozenset()
    assert found.claim(2, 5, [late]) == again
    assert found.claim(3, 5, [late]) == {0}


def test_no_window_no_duplicates(state: StateDb) -> None:
    """It can be turned off."""
    assert seen(state, 0).claim(1, 5, [frame(1), frame(1)]) == frozenset()


def logs(time: int, observed: int) -> Frame:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(time_unix_nano=time, observed_time_unix_nano=observed).body.string_value = "tick"
    return Frame(Signal.LOGS, "shop", SECOND, 1, request.SerializeToString())


def gauge(time: int) -> Frame:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="depth")
    metric.gauge.data_points.add(time_unix_nano=time, as_int=4)
    return Frame(Signal.METRICS, "shop", SECOND, 1, request.SerializeToString())


@pytest.mark.parametrize(
    ("one", "repeated"),
    [(logs(0, 0), False), (logs(5, 0), True), (logs(0, 5), True), (gauge(0), False), (gauge(5), True)],
)
def test_what_has_no_time_may_repeat(one: Frame, repeated: bool, state: StateDb) -> None:
    """Two equal lines without a time are two lines."""
    assert seen(state).claim(1, 5, [one, one]) == ({1} if repeated else frozenset())


def test_forgetting_keeps_decisions_that_may_be_asked_again(state: StateDb) -> None:
    """What is older than the window goes, but not the decision on a segment that is still at hand."""
    found, now = seen(state), frame(1).received_at_ns
    assert found.claim(1, now, [frame(1), frame(1)]) == {1}
    assert found.forget(now + 59 * SECOND) == 0
    assert found.forget(now + 61 * SECOND, oldest_ns=now) == 0
    assert found.claim(1, now, [frame(1), frame(1)]) == {1}
    assert found.forget(now + 200 * SECOND) == 1
    assert found.claim(1, now, [frame(1)]) == frozenset()


def test_a_store_that_was_away_for_long_still_knows_what_was_sent_again(state: StateDb) -> None:
    """Both segments waited longer than the window; forgetting goes by their age, not by the time of day."""
    found, now = seen(state), frame(1).received_at_ns
    again = replace(frame(1), received_at_ns=now + 30 * SECOND)
    assert found.claim(1, now, [frame(1)]) == frozenset()
    assert found.forget(now + 3_600 * SECOND, oldest_ns=now + 20 * SECOND) == 0
    assert found.claim(2, now + 20 * SECOND, [again]) == {0}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 150)), max_size=6), min_size=1, max_size=6))
def test_every_replay_decides_the_same(state: StateDb, segments: list[list[tuple[int, int]]]) -> None:
    """A token names one payload, forever; and of each content something is kept."""
    with state.begin() as connection:
        connection.execute(delete(SEEN_REQUESTS))
        connection.execute(delete(CLAIMED_SEGMENTS))
    made = [[replace(frame(number), received_at_ns=at * SECOND) for number, at in one] for one in segments]
    decided = []
    for segment, frames in enumerate(made):
        first = seen(state).claim(segment, 5, frames)
        assert seen(state).claim(segment, 5, frames) == first
        decided.append(first)
    assert [seen(state).claim(segment, 5, frames) for segment, frames in enumerate(made)] == decided
    kept = [one for frames, gone in zip(made, decided, strict=True) for i, one in enumerate(frames) if i not in gone]
    assert {one.payload for one in kept} == {one.payload for frames in made for one in frames}
