"""Durations of cases, steps and traces in the engine."""

from __future__ import annotations

import itertools
from dataclasses import astuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from kpis.process.durations import DurationBucket, Durations, StepDuration, TraceDurations, durations
from kpis.process.filters import CaseFilter
from kpis.process.process_map import Spread
from storage import ClickHouse
from tests.support.examples import examples
from tests.unit.kpis_process.flow import DAY_ONE, HUGE, NOTHING, RICH, Did, load, load_huge, spread, when
from tests.unit.metrics_read_models.rows import Span, load_spans

RUNS = itertools.count()
NO_TRACES = TraceDurations(0, 0, None)


def load_lengths(ch: ClickHouse, tenant: str, seconds: list[float], stream: str = "s") -> None:
    """A case for each length."""
    load(
        ch,
        tenant,
        itertools.chain.from_iterable(
            (Did(str(case), "a", 0), Did(str(case), "done", took)) for case, took in enumerate(seconds)
        ),
        stream,
    )


def test_cases_by_duration(clickhouse: ClickHouse, tenant: str) -> None:
    """A power of ten begins a bucket; what lies between two full ones is listed, too."""
    load_lengths(clickhouse, tenant, [0, 1, 9.999999, 10, 99, 10_000])
    found = durations(clickhouse, tenant, "s", buckets_per_decade=1)
    assert (found.cases, found.open_cases) == (6, 0)
    assert [(one.from_s, one.to_s, one.cases) for one in found.histogram] == [
        (0, 0, 1), (1, 10, 2), (10, 100, 2), (100, 1_000, 0), (1_000, 10_000, 0), (10_000, 100_000, 1),
    ]  # fmt: skip
    assert found.duration is not None
    assert astuple(found.duration) == pytest.approx(spread([0, 1, 9.999999, 10, 99, 10_000]))


def test_steps_whose_start_is_known(clickhouse: ClickHouse, tenant: str) -> None:
    load(
        clickhouse, tenant, [Did("1", "a", 3, start=0), Did("1", "a", 9, start=8), Did("1", "a", 20), Did("1", "b", 21)]
    )
    found = durations(clickhouse, tenant, "s")
    assert found.open_cases == 1, "it has not ended, and is measured with what it has so far"
    assert found.steps == (
        StepDuration("a", 3, 2, Spread(2.0, 2.0, pytest.approx(2.8), pytest.approx(2.9), 4.0)),
        StepDuration("b", 1, 0, None),
    )


def test_one_event_equal_times_and_nothing_at_all(clickhouse: ClickHouse, tenant: str) -> None:
    load(clickhouse, tenant, [Did("1", "a", 5), Did("2", "a", 7), Did("2", "b", 7)])
    found = durations(clickhouse, tenant, "s")
    assert found.histogram == (DurationBucket(0, 0, 2),)
    assert found.duration == Spread(0, 0, 0, 0, 0)
    nothing = Durations("s", 0, 0, None, (), (), NO_TRACES)
    assert durations(clickhouse, tenant, "s", NOTHING) == nothing
    assert durations(clickhouse, f"{tenant}-other", "s") == nothing


def test_a_start_after_its_own_end_takes_no_time(clickhouse: ClickHouse, tenant: str) -> None:
    load(clickhouse, tenant, [Did("1", "a", 0, start=10)])
    found = durations(clickhouse, tenant, "s")
    assert (found.duration, found.histogram) == (Spread(0, 0, 0, 0, 0), (DurationBucket(0, 0, 1),))
    assert found.steps == (StepDuration("a", 1, 1, Spread(0, 0, 0, 0, 0)),)


def test_traces_of_the_cases(clickhouse: ClickHouse, tenant: str) -> None:
    """From the first start to the last end of all spans of a trace, those that name no case included."""
    stream = "order-to-cash"
    load(clickhouse, tenant, [Did(case, "a", 0) for case in ("O1", "O2", "O3")], stream)
    spans = [
        Span(when(0), 1, trace=1, case="O1", ms=2_000),
        Span(when(1), 2, trace=1, ms=5_000),
        Span(when(90_000), 3, trace=2, case="O1", ms=1_000),
        Span(when(3), 4, trace=3, case="O2", ms=3_000),
        Span(when(4), 5, trace=3, case="O1", ms=500),
        Span(when(5), 6, trace=4, case="not a case of its own", ms=100_000),
        Span(when(6), 7, trace=5, ms=100_000),
    ]
    load_spans(clickhouse, tenant, spans)
    load_spans(clickhouse, tenant, spans[:1])
    load_spans(clickhouse, f"{tenant}-other", [Span(when(600), 9, trace=1, case="O1", ms=1)])
    columns = ("TenantId", "Stream", "CaseId", "TraceId", "First", "Last")
    others = [("O2", stream, "f"), ("O2", "another", "e")]
    rows = [(tenant, of, case, digit * 32, DAY_ONE, DAY_ONE) for case, of, digit in others]
    clickhouse.insert_rows("case_index", columns, rows)
    found = durations(clickhouse, tenant, stream).traces
    assert (found.named, found.traces) == (4, 3), "one is named by an event and has no spans"
    assert found.duration is not None
    assert astuple(found.duration) == pytest.approx(spread([6, 1, 3]))
    of_two = durations(clickhouse, tenant, stream, CaseFilter(case_ids=["O2"])).traces
    assert (of_two.named, of_two.traces, of_two.duration) == (2, 1, Spread(3, 3, 3, 3, 3))
    assert durations(clickhouse, tenant, stream, CaseFilter(case_ids=["O3"])).traces == NO_TRACES


def test_a_span_that_never_ends_does_not_overflow(clickhouse: ClickHouse, tenant: str) -> None:
    load(clickhouse, tenant, [Did("O1", "a", 0)], "order-to-cash")
    load_spans(clickhouse, tenant, [Span(when(0), 1, case="O1", ms=1.8e13)])
    found = durations(clickhouse, tenant, "order-to-cash").traces.duration
    assert found is not None
    assert found.mean_s == 315_360_000, "taken for ten years"


def test_a_case_of_fifty_thousand_events(clickhouse: ClickHouse, tenant: str) -> None:
    load_huge(clickhouse, tenant)
    found = durations(clickhouse, tenant, "s")
    assert found.duration == Spread(*[HUGE - 1.0] * 5)
    assert sum(one.timed for one in found.steps) == HUGE // 2
    assert {one.duration.p95_s for one in found.steps if one.duration} == {0.5}
    assert durations(clickhouse, tenant, "s", RICH) == found


def test_the_last_span_may_begin_within_a_second(clickhouse: ClickHouse, tenant: str) -> None:
    """The table that tells when a trace happened knows seconds only."""
    load(clickhouse, tenant, [Did("O1", "a", 0)], "order-to-cash")
    load_spans(clickhouse, tenant, [Span(when(0), 1, case="O1", ms=100), Span(when(0.75), 2, ms=0)])
    found = durations(clickhouse, tenant, "order-to-cash").traces.duration
    assert found is not None
    assert found.sum_s == 0.75


@pytest.mark.parametrize("per_decade", [1, 3, 50])
def test_powers_of_ten_begin_a_bucket(clickhouse: ClickHouse, tenant: str, per_decade: int) -> None:
    """From a microsecond to 30 years, each alone in its bucket, not in the one before."""
    powers = [10**power / 1e6 for power in range(16)]
    load_lengths(clickhouse, tenant, powers)
    found = durations(clickhouse, tenant, "s", buckets_per_decade=per_decade)
    assert [one.from_s for one in found.histogram if one.cases] == powers


def test_a_microsecond_less_is_in_the_bucket_before(clickhouse: ClickHouse, tenant: str) -> None:
    """Where logarithms in floating point no longer tell the two apart."""
    load_lengths(clickhouse, tenant, [999_999_999.999999, 1e9])
    first, second = durations(clickhouse, tenant, "s").histogram
    assert (first.to_s, first.cases, second.from_s, second.cases) == (1e9, 1, 1e9, 1)


@pytest.mark.parametrize("wrong", [0, 51])
def test_what_is_refused(clickhouse: ClickHouse, tenant: str, wrong: int) -> None:
    with pytest.raises(InvalidInput, match=f"buckets_per_decade must be 1 to 50, got {wrong}"):
        durations(clickhouse, tenant, "s", buckets_per_decade=wrong)


@given(st.lists(st.integers(0, 10**15).map(lambda n: n / 1e6), min_size=1, max_size=12), st.integers(1, 50))
@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_case_is_in_its_bucket(clickhouse: ClickHouse, tenant: str, lengths: list[float], wide: int) -> None:
    stream = f"d-{next(RUNS)}"
    load_lengths(clickhouse, tenant, lengths, stream)
    found = durations(clickhouse, tenant, stream, buckets_per_decade=wide)
    assert found.duration is not None
    assert astuple(found.duration) == pytest.approx(spread(lengths))
    assert sum(one.cases for one in found.histogram) == len(lengths)
    for one in found.histogram:
        exact = sum(one.from_s <= length < one.to_s or length == one.from_s == one.to_s for length in lengths)
        assert one.cases == exact
        assert one.from_s == 0 or one.to_s / one.from_s == pytest.approx(10 ** (1 / wide), rel=1e-3)
