"""The performance spectrum of one transition: buckets, classes and lines."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from kpis.process.filters import CaseFilter
from kpis.process.spectrum import Spectrum, SpectrumBucket, SpectrumLine, spectrum
from storage import ClickHouse
from tests.support.examples import examples
from tests.unit.kpis_process.flow import NOTHING, RICH, Did, in_cases, load, load_huge, percentile, when

RUNS = itertools.count()


def test_buckets_and_classes(clickhouse: ClickHouse, tenant: str) -> None:
    """Five transitions that begin at 0, 1, 2, 30 and 39 s and take 1 to 5 s; quartiles 2, 3 and 4."""
    began, took = (0, 1, 2, 30, 39), (1, 2, 3, 4, 5)
    load(
        clickhouse,
        tenant,
        itertools.chain.from_iterable(
            (Did(str(at), "a", at), Did(str(at), "b", at + gap)) for at, gap in zip(began, took, strict=True)
        ),
    )
    found = spectrum(clickhouse, tenant, "s", "a", "b", buckets=4)
    assert (found.count, found.cases, found.bounds_s) == (5, 5, (2.0, 3.0, 4.0))
    assert [one.count for one in found.buckets] == [3, 0, 0, 2], "an empty time is part of the picture"
    assert [one.classes for one in found.buckets] == [(2, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 1, 1)]
    assert [one.median_s for one in found.buckets] == [2.0, None, None, 4.5]
    assert found.buckets[3].p90_s == pytest.approx(4.9)
    assert [one.start for one in found.buckets] == [when(second) for second in (0, 9.75, 19.5, 29.25)]
    assert found.lines[0] == SpectrumLine("0", when(0), when(1), 1)
    assert found.lines[4] == SpectrumLine("39", when(39), when(44), 4)


def test_only_direct_succession_counts_and_every_one_of_it(clickhouse: ClickHouse, tenant: str) -> None:
    load(clickhouse, tenant, [Did("1", step, place) for place, step in enumerate("abaab")] + [Did("2", "a", 0)])
    assert spectrum(clickhouse, tenant, "s", "a", "b").count == 2
    loop = spectrum(clickhouse, tenant, "s", "a", "a")
    assert (loop.count, loop.cases, loop.lines) == (1, 1, (SpectrumLine("1", when(2), when(3), 1),))
    assert loop.buckets == (SpectrumBucket(when(2), when(2), 1, (1, 0, 0, 0), 1.0, 1.0),), "one nanosecond wide"


def test_overlapping_steps_and_equal_times_have_no_gap(clickhouse: ClickHouse, tenant: str) -> None:
    load(
        clickhouse,
        tenant,
        [Did("1", "a", 9, start=0), Did("1", "b", 12, start=4), Did("2", "a", 9), Did("2", "b", 9)],
    )
    found = spectrum(clickhouse, tenant, "s", "a", "b", buckets=10)
    assert [(line.start, line.end, line.quartile) for line in found.lines] == [(when(9), when(9), 1)] * 2
    assert [one.classes for one in found.buckets] == [(2, 0, 0, 0)], "equal ones are in the fastest class"


def test_nothing_to_show(clickhouse: ClickHouse, tenant: str) -> None:
    load(clickhouse, tenant, [Did("1", "a", 0), Did("2", "a", 0), Did("2", "b", 1)])
    nothing = Spectrum("s", "b", "a", 0, 0, None, (), ())
    assert spectrum(clickhouse, tenant, "s", "b", "a") == nothing
    assert spectrum(clickhouse, tenant, "s", "a", "b", NOTHING).count == 0
    assert spectrum(clickhouse, tenant, "s", "a", "b", CaseFilter(case_ids=["1"])).count == 0, "one event"
    assert spectrum(clickhouse, f"{tenant}-other", "s", "a", "b").count == 0


def test_a_case_of_fifty_thousand_events_gives_a_bounded_sample(clickhouse: ClickHouse, tenant: str) -> None:
    load_huge(clickhouse, tenant)
    found = spectrum(clickhouse, tenant, "s", "b", "c", buckets=10, limit=50)
    assert (found.count, found.cases, found.bounds_s) == (10_000, 1, (0.5, 0.75, 1.0))
    assert [one.count for one in found.buckets] == [1_000] * 10
    assert [one.classes for one in found.buckets] == [(500, 0, 500, 0)] * 10
    assert len(found.lines) == 50
    assert list(found.lines) == sorted(found.lines, key=lambda line: line.start)
    assert spectrum(clickhouse, tenant, "s", "b", "c", buckets=10, limit=50) == found, "the same data, the same lines"
    assert spectrum(clickhouse, tenant, "s", "b", "c", limit=0).lines == ()
    spread_over = {int((line.start - when(0)).total_seconds() // 10_000) for line in found.lines}
    assert spread_over == {0, 1, 2, 3, 4}, "not from one end"
    assert spectrum(clickhouse, tenant, "s", "b", "c", RICH, buckets=10, limit=50) == found


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"buckets": 0}, "buckets must be 1 to 1000, got 0"),
        ({"buckets": 1001}, "buckets must be 1 to 1000, got 1001"),
        ({"limit": -1}, "limit must be 0 to 10000, got -1"),
        ({"limit": 10_001}, "limit must be 0 to 10000, got 10001"),
    ],
)
def test_what_is_refused(clickhouse: ClickHouse, tenant: str, asked: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        spectrum(clickhouse, tenant, "s", "a", "b", **asked)  # type: ignore[arg-type]


EVENTS = st.lists(
    st.builds(
        lambda case, step, start, took: Did(case, step, start + (took or 0), None if took is None else start),
        st.sampled_from("123"),
        st.sampled_from("ab"),
        st.integers(0, 40),
        st.none() | st.integers(0, 4),
    ),
    min_size=1,
    max_size=20,
)


@given(EVENTS, st.integers(1, 7))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_a_plain_reading(clickhouse: ClickHouse, tenant: str, log: list[Did], buckets: int) -> None:
    stream = f"p-{next(RUNS)}"
    load(clickhouse, tenant, log, stream)
    found = spectrum(clickhouse, tenant, stream, "a", "b", buckets=buckets)
    lines = [
        (one.at, max(0.0, two.began - one.at), one.case)
        for own in in_cases(log)
        for one, two in itertools.pairwise(own)
        if (one.step, two.step) == ("a", "b")
    ]
    assert (found.count, found.cases) == (len(lines), len({case for *_, case in lines}))
    if not lines:
        return
    gaps = [gap for _, gap, _ in lines]
    bounds = [percentile(gaps, level) for level in (0.25, 0.5, 0.75)]
    assert found.bounds_s == pytest.approx(bounds)
    classed = {(case, when(at), when(at + gap), 1 + sum(gap > bound for bound in bounds)) for at, gap, case in lines}
    assert {(line.case_id, line.start, line.end, line.quartile) for line in found.lines} == classed
    assert 1 <= len(found.buckets) <= buckets
    for bucket, following in itertools.pairwise(found.buckets):
        assert bucket.end == following.start
    assert sum(bucket.count for bucket in found.buckets) == len(lines)
    assert all(sum(bucket.classes) == bucket.count for bucket in found.buckets)
    assert found.buckets[0].count > 0
    assert found.buckets[-1].count > 0
