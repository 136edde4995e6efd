"""The small parts: pointers, times, patterns, numbers, lag, encoding, names."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

import collector.pollers
from collector.admission import Encoding, admit
from collector.pollers import names
from collector.pollers.encode import Health, encode
from collector.pollers.json_pointer import Missing, check_pointer, resolve
from collector.pollers.moments import moment
from collector.pollers.readings import Deadline, PollFailed, QueueReading, age, number
from collector.pollers.selection import matches
from collector.pollers.sources.kafka_lag import Offsets, partition_lag, topic_lags
from collector.pollers.sources.redis_streams import lag
from core import ManualClock
from metrics import conventions
from storage import Signal

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def _places(document: Any, pointer: str = "") -> list[tuple[str, Any]]:
    found = [(pointer, document)]
    if isinstance(document, dict):
        for key, value in document.items():
            found += _places(value, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    if isinstance(document, list):
        for index, value in enumerate(document):
            found += _places(value, f"{pointer}/{index}")
    return found


def test_public_names() -> None:
    assert collector.pollers.__all__ == [
        "Checked",
        "Phase",
        "PollFailed",
        "PollerStatus",
        "Pollers",
        "QueueReading",
        "Reason",
        "Submit",
        "check_pollers",
        "load_pollers",
    ]
    assert all(hasattr(collector.pollers, name) for name in collector.pollers.__all__)


def test_the_names_are_the_conventions() -> None:
    """They are repeated, because the rooms do not know each other."""
    assert (names.SYSTEM, names.DESTINATION) == (conventions.MESSAGING_SYSTEM, conventions.MESSAGING_DESTINATION)
    assert (names.CONSUMER_GROUP, names.PARTITION) == (
        conventions.MESSAGING_CONSUMER_GROUP,
        conventions.MESSAGING_PARTITION,
    )
    mine = {names.DEPTH, names.OLDEST_AGE, names.IN_FLIGHT, names.OLDEST_IN_FLIGHT_AGE, names.CONSUMERS,
            names.PUBLISH_RATE, names.DELIVER_RATE, names.PARTITION_DEPTH}  # fmt: skip
    assert mine == {metric.name for metric in conventions.METRICS if metric.name.startswith("retail.queue.")}


@given(documents)
def test_every_place_of_a_document_has_its_pointer(document: Any) -> None:
    for pointer, value in _places(document):
        assert resolve(document, check_pointer(pointer)) is value


@pytest.mark.parametrize("pointer", ["/b", "/a/2", "/a/01", "/a/-", "/a/0/x", "/a/99999999999"])
def test_a_pointer_that_leads_nowhere(pointer: str) -> None:
    with pytest.raises(Missing):
        resolve({"a": [1, 2]}, pointer)


@given(st.text(max_size=12))
def test_pointers_are_checked_before_they_are_used(text: str) -> None:
    try:
        check_pointer(text)
    except ValueError:
        return
    with contextlib.suppress(Missing):
        resolve({"a": [{"b": 1}]}, text)


@given(st.integers(600_000_000, 7_000_000_000), st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_unix_times_of_every_unit(seconds: int, unit: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    for value in (seconds * unit, str(seconds * unit)):
        found = moment(value)
        assert found is not None
        assert abs(found - at) < timedelta(milliseconds=1)
    assert moment(at.isoformat()) == at


@pytest.mark.parametrize("value", ["", "soon", "2026-03-02T09:00:00", 5, -1, 1e40, math.nan, math.inf, True, None, []])
def test_what_is_no_time(value: object) -> None:
    assert moment(value) is None


@given(st.one_of(st.floats(), st.integers(), st.text(max_size=9), st.none(), st.booleans()))
def test_times_and_numbers_never_raise(value: object) -> None:
    found = number(value)
    assert found is None or (math.isfinite(found) and found >= 0)
    found_at = moment(value)
    assert found_at is None or found_at.tzinfo is not None
    assert (seconds := age(NOW, found_at)) is None or seconds >= 0


def test_ages() -> None:
    """Clocks differ a little; a time far in the future is nobody's age."""
    assert age(NOW, NOW - timedelta(seconds=9)) == 9
    assert age(NOW, NOW + timedelta(seconds=4)) == 0
    assert age(NOW, NOW + timedelta(seconds=6)) is None
    assert age(NOW, None) is None


def test_patterns() -> None:
    assert matches("orders.eu", ["orders.*"])
    assert not matches("Orders.eu", ["orders.*"])
    assert not matches("orders.dlq", ["*"], ["*.dlq"])
    assert not matches("orders", [])


def test_a_deadline(clock: ManualClock) -> None:
    deadline = Deadline(clock, 5)
    clock.advance(4)
    assert deadline.left() == 1
    assert deadline.within(60).left() == 1
    clock.advance(1)
    with pytest.raises(PollFailed, match="not over after 5 s"):
        deadline.left()


# --- lag ---


@pytest.mark.parametrize(
    ("committed", "start", "end", "expected"),
    [(3, 0, 10, 7), (10, 0, 10, 0), (0, 0, 0, 0), (2, 5, 10, 5), (12, 0, 10, 0)],
    ids=["behind", "done", "empty", "retention deleted unread messages", "a topic made anew"],
)
def test_partition_lag(committed: int, start: int, end: int, expected: int) -> None:
    assert partition_lag(committed, Offsets(start, end)) == expected


offsets = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: Offsets(min(pair), max(pair)))
partitions = st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 4))


@given(st.dictionaries(partitions, st.integers(-1001, 60)), st.dictionaries(partitions, offsets))
def test_topic_lags(committed: dict[tuple[str, int], int], ends: dict[tuple[str, int], Offsets]) -> None:
    """Sums of what is known, never below zero, never more than the log holds, nothing about what was not committed."""
    found = {one.topic: one for one in topic_lags("g", committed, ends)}
    known = {place for place, offset in committed.items() if offset >= 0 and place in ends}
    assert {topic for topic, _ in known} == set(found)
    for topic, one in found.items():
        assert {partition for partition, _ in one.partitions} == {p for t, p in known if t == topic}
        assert one.lag == sum(count for _, count in one.partitions)
        for partition, count in one.partitions:
            held = ends[topic, partition]
            assert 0 <= count <= held.end - held.start
            assert (partition in one.behind) is (count > 0)
            if count:
                assert held.start <= one.behind[partition] < held.end


@pytest.mark.parametrize(
    ("told", "given_id", "last", "length", "expected"),
    [
        (4, (1, 0), (9, 0), 9, 4.0),
        (None, (9, 0), (9, 0), 9, 0.0),
        (None, (0, 0), (9, 0), 9, 9.0),
        (None, (3, 0), (9, 0), 9, None),
        (None, (3, 0), None, 0, 0.0),
    ],
    ids=["told", "nothing is new", "everything is new", "nobody knows", "empty"],
)
def test_stream_lag(
    told: object, given_id: tuple[int, int], last: tuple[int, int] | None, length: int, expected: float | None
) -> None:
    assert lag(told, given_id, last, length) == expected


# --- encoding ---

numbers = st.none() | st.floats(0, 1e12)
readings = st.builds(
    QueueReading, st.just("redis"), st.text(min_size=1, max_size=6), numbers, numbers, st.text(max_size=4), numbers,
    numbers, numbers, numbers, numbers, st.lists(st.tuples(st.integers(0, 9), st.floats(0, 9)), max_size=3).map(tuple),
)  # fmt: skip


@given(st.lists(readings, max_size=5), st.dictionaries(st.sampled_from(["timeout", "busy"]), st.integers(1, 9)))
def test_what_is_encoded_is_admitted_whole(found: list[QueueReading], failures: dict[str, int]) -> None:
    """The count is that of the points, and what is not known makes none."""
    health = Health("p", "redis", "h", True, 0.1, 1, 2.0, failures)
    payload, items = encode(found, health, 1_772_442_000 * 10**9)
    admitted = admit(Signal.METRICS, Encoding.PROTOBUF, payload)
    assert admitted.items == items
    known = sum(
        value is not None
        for one in found
        for value in (one.depth, one.oldest_age_s, one.in_flight, one.oldest_in_flight_s, one.consumers,
                      one.publish_rate, one.deliver_rate)
    )  # fmt: skip
    assert items == known + sum(len(one.partitions) for one in found) + 3 + len(failures)
    scope = ExportMetricsServiceRequest.FromString(payload).resource_metrics[0].scope_metrics[0]
    assert all(metric.unit for metric in scope.metrics)
