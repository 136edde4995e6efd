"""The summary in the engine: the rules one by one, then against a plain oracle on random logs."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import SystemClock
from core.errors import NotFound
from kpis.process import CaseJobs, ProcessSummary, process_streams, process_summary
from storage import ClickHouse
from tests.support.examples import examples

Insert = Callable[..., None]


def summed(ch: ClickHouse, tenant: str, stream: str) -> ProcessSummary:
    """The summary, with the cases up to date."""
    CaseJobs(ch, SystemClock()).run_once(tenant, stream)
    return process_summary(ch, tenant, stream)


def variants(summary: Any) -> dict[str, int]:
    return {" ".join(v.activities): v.count for v in summary.variants}


def edges(summary: Any) -> dict[str, tuple[int, float, float]]:
    return {f"{e.from_step}>{e.to_step}": (e.count, e.mean_s, e.median_s) for e in summary.edges}


def test_counts_variants_edges_and_durations(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    insert(
        [
            event("1", "a", 0), event("1", "b", 10), event("1", "a", 40),
            event("2", "a", 5), event("2", "b", 25),
            event("3", "a", 7),
        ]
    )  # fmt: skip
    summary = summed(clickhouse, tenant, "s")
    assert (summary.cases, summary.events, summary.activities, summary.rework_cases) == (3, 6, 2, 1)
    assert variants(summary) == {"a b a": 1, "a b": 1, "a": 1}
    assert edges(summary) == {"a>b": (2, 15.0, 15.0), "b>a": (1, 30.0, 30.0)}
    assert summary.case_median_s == 20.0
    assert summary.case_mean_s == 20.0
    assert summary.case_p90_s == pytest.approx(36.0), "linear interpolation between 20 and 40"
    assert summary.working_waiting is None
    assert "working_waiting" not in summary.to_json()
    assert summary.to_json()["data_through"] == "2026-03-01T00:00:40+00:00"


def test_an_even_median_is_the_mean_of_the_middle_two(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    insert(itertools.chain.from_iterable((event(str(n), "a", 0), event(str(n), "b", n)) for n in (1, 2, 4, 9)))
    summary = summed(clickhouse, tenant, "s")
    assert summary.case_median_s == 3.0
    assert edges(summary)["a>b"][2] == 3.0


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        pytest.param(("a", 10, None, 1), ("b", 10, None, 2), "a b", id="equal times: the sequence number decides"),
        pytest.param(("a", 10, None, 9), ("b", 10, None, 2), "b a", id="not the name, not the order of arrival"),
        pytest.param(("a", 20, 1.0, 1), ("b", 10, 5.0, 2), "a b", id="the start decides before the end"),
        pytest.param(("a", 20, 5.0, 1), ("b", 10, 5.0, 2), "b a", id="equal starts: the end decides"),
        pytest.param(("a", 20, 12.0, 1), ("b", 10, None, 2), "b a", id="an instant event starts when it happens"),
    ],
)
def test_order_within_a_case(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, first: Any, second: Any, order: str
) -> None:
    insert(event("1", step, at, start=start, seq=seq) for step, at, start, seq in (first, second))
    assert variants(summed(clickhouse, tenant, "s")) == {order: 1}


def test_repeated_events_count_once_and_duplicates_of_their_own_twice(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    log = [
        event("1", "a", 0, seq=1, event_id="x"),
        event("1", "a", 0, seq=2, event_id="y"),
        event("1", "b", 5, start=3, seq=3),
    ]
    insert(log)
    once = summed(clickhouse, tenant, "s")
    insert(log)
    assert once.events == 3
    assert once.rework_cases == 1
    assert summed(clickhouse, tenant, "s") == once


def test_working_and_waiting(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    insert(
        [
            event("1", "a", 10, start=0),
            event("1", "b", 25, start=20),  # 10 s after a
            event("1", "c", 22, start=21),  # inside b
            event("1", "d", 40, start=24),  # overlaps b by 1 s
            event("1", "e", 60),  # instant: 20 s of unknown use before it
            event("1", "f", 70, start=65),  # 5 s after e
        ]
    )
    found = summed(clickhouse, tenant, "s").working_waiting
    assert found is not None
    assert found.cycle_s == 70
    assert found.working_s == 10 + 20 + 5
    assert found.unknown_s == 20
    assert found.waiting_s == 10 + 5
    assert found.touch_s == 10 + 5 + 1 + 16 + 5
    assert found.events_without_start == 1
    assert found.flow_efficiency == 35 / 50
    assert [(b.from_step, b.to_step, b.count, b.waiting_s, b.mean_s) for b in found.edges[:2]] == [
        ("a", "b", 1, 10, 10),
        ("e", "f", 1, 5, 5),
    ]
    assert not any(b.to_step == "e" for b in found.edges), "before an instant event nothing is known"


def test_edges_are_never_negative(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    insert([event("1", "a", 30, start=0), event("1", "b", 20, start=10)])
    assert edges(summed(clickhouse, tenant, "s"))["a>b"] == (1, 0.0, 0.0)


def test_nanoseconds_and_centuries(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    """Sums are larger than nanoseconds in 64 bits hold: 400 cases of 10 years."""
    insert(
        itertools.chain.from_iterable((event(str(n), "a", 0), event(str(n), "b", 3.2e8, start=0)) for n in range(400))
    )
    found = summed(clickhouse, tenant, "s").working_waiting
    assert found is not None
    assert found.cycle_s == found.working_s == pytest.approx(400 * 3.2e8)


def test_details_of_a_known_stream_are_no_steps(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    log = [event("1", "retail.order.placed", 0), event("1", "retail.order.line.placed", 0), event("1", "x", 1)]
    insert(log, stream="order-to-cash")
    insert(log, stream="other")
    assert variants(summed(clickhouse, tenant, "order-to-cash")) == {"retail.order.placed x": 1}
    assert summed(clickhouse, tenant, "other").events == 3


def test_unknown_stream_names_those_there_are(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    with pytest.raises(NotFound, match="there are no process events yet"):
        summed(clickhouse, tenant, "x")
    insert([event("1", "a", 0)], stream="one")
    insert([event("1", "a", 0)], stream="two")
    with pytest.raises(NotFound, match="no events of the stream 'x'; the streams are one, two"):
        summed(clickhouse, tenant, "x")


def test_tenants_do_not_see_one_another(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    insert([event("1", "a", 0)])
    insert([event("1", "b", 9), event("2", "b", 9)], tenant=f"{tenant}-other")
    assert variants(summed(clickhouse, tenant, "s")) == {"a": 1}
    assert process_streams(clickhouse, f"{tenant}-nobody") == []


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("123"),
        st.sampled_from("abc"),
        st.integers(0, 8),
        st.one_of(st.none(), st.integers(0, 5)),
    ),
    min_size=1,
    max_size=25,
)
RUNS = itertools.count()


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=EVENTS, twice=st.booleans())
def test_agrees_with_a_plain_reading_of_the_rules(
    clickhouse: ClickHouse, insert: Insert, event: Any, log: list[tuple[str, str, int, int | None]], twice: bool
) -> None:
    """Starts, ends, ties and overlaps at random; `log` holds case, step, start and length (None: instant)."""
    tenant = f"oracle-{next(RUNS)}"
    rows = [
        event(case, step, at + (length or 0), start=None if length is None else at) for case, step, at, length in log
    ]
    for _ in range(1 + twice):
        insert(rows, tenant=tenant)
    summary = summed(clickhouse, tenant, "s")

    cases: dict[str, list[Any]] = defaultdict(list)
    for place, row in enumerate(rows):
        cases[row.case].append((row.at if row.start is None else row.start, row.at, place, row.step, row.start))
    ordered = [sorted(events) for events in cases.values()]
    gaps: dict[str, list[float]] = defaultdict(list)
    for events in ordered:
        for one, two in itertools.pairwise(events):
            gaps[f"{one[3]}>{two[3]}"].append(max(0, two[0] - one[1]))
    spans = [max(e[1] for e in events) - min(e[0] for e in events) for events in ordered]

    assert summary.cases == len(ordered)
    assert summary.events == len(log)
    assert variants(summary) == Counter(" ".join(e[3] for e in events) for events in ordered)
    assert summary.rework_cases == sum(len({e[3] for e in events}) < len(events) for events in ordered)
    assert summary.case_median_s == pytest.approx(statistics.median(spans))
    assert set(edges(summary)) == set(gaps)
    for name, (count, mean, median) in edges(summary).items():
        assert count == len(gaps[name])
        assert (mean, median) == pytest.approx((statistics.mean(gaps[name]), statistics.median(gaps[name])))
    if all(length is None for *_, length in log):
        assert summary.working_waiting is None
        return
    found = summary.working_waiting
    assert found is not None
    working = sum(
        len({s for e in events if e[4] is not None for s in range(int(e[4]), int(e[1]))}) for events in ordered
    )
    assert found.working_s == pytest.approx(working)
    assert found.touch_s == pytest.approx(sum(length or 0 for *_, length in log))
    assert found.cycle_s == pytest.approx(sum(spans))
    assert found.working_s + found.waiting_s + found.unknown_s == pytest.approx(found.cycle_s)
    assert min(found.waiting_s, found.unknown_s) >= 0
