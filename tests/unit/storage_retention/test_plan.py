"""Which partitions go: every rule by example, then by property on random tables, times and wishes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import InvalidInput
from storage.retention import RETAINED, Dataset, Decision, Partition, Policies, Policy, Why, plan
from storage.retention.partitions import bucket_bounds
from storage.retention.policies import checked_days

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TABLES = {one.name: one for one in RETAINED}


def wishes(**days: int | None) -> Policies:
    """Of everybody."""
    stored = {("*", Dataset(name)): Policy(Dataset(name), value, "*") for name, value in days.items()}
    return Policies(stored)


def partition(
    table: str, bucket: int, *, tenant: str = "a", oldest: datetime | None = None, newest: datetime | None = None
) -> Partition:
    """Filled from the beginning to the end of its span, if not said otherwise."""
    start, end = bucket_bounds(bucket)
    last = newest or end - timedelta(microseconds=1)
    return Partition(TABLES[table], tenant, f"{table}-{bucket}", bucket, 10, 100, 1, oldest or start, last)


def decide(*partitions: Partition, **days: int | None) -> list[Why]:
    return [one.why for one in plan(partitions, wishes(**days), NOW)]


@pytest.mark.parametrize(
    ("bucket", "why"),
    [
        (20260222, Why.OVER),  # ended at midnight before the 23rd; seven days are over since 09:00
        (20260223, Why.WINDOW),  # its rows of the afternoon are younger than seven days
        (20260302, Why.WINDOW),
    ],
)
def test_a_day_goes_when_its_end_is_older_than_the_wish(bucket: int, why: Why) -> None:
    assert decide(partition("otel_traces", bucket), traces=7) == [why]


def test_a_day_stays_although_its_newest_row_of_the_moment_is_old() -> None:
    """A row of the same afternoon may arrive between the look and the drop."""
    early = partition("otel_traces", 20260223, newest=datetime(2026, 2, 23, 1, tzinfo=UTC))
    assert decide(early, traces=7) == [Why.WINDOW]


@pytest.mark.parametrize(("days", "why"), [({}, Why.FOR_EVER), ({"history": 365}, Why.OVER)])
def test_imported_history_stays_unless_it_has_a_wish_of_its_own(days: dict[str, int], why: Why) -> None:
    assert decide(partition("otel_logs", 2012), logs=7, **days) == [why]


def test_a_year_goes_when_all_of_it_is_older() -> None:
    assert decide(partition("process_events", 2024), partition("process_events", 2025), events=61) == [
        Why.OVER,
        Why.WINDOW,
    ]
    assert decide(partition("process_events", 2025), events=60) == [Why.OVER]


@pytest.mark.parametrize("bucket", [2100, 2262])
def test_a_partition_of_clamped_times_to_come_never_goes(bucket: int) -> None:
    assert decide(partition("otel_traces", bucket, newest=NOW), history=1) == [Why.WINDOW]


def test_rows_that_the_key_does_not_explain_keep_a_partition() -> None:
    """A key that says less than the truth must not cost data."""
    odd = partition("otel_traces", 20260101, newest=NOW)
    assert decide(odd, traces=7) == [Why.YOUNGER]


def test_a_look_up_stays_while_its_source_does() -> None:
    lookup, trace = partition("otel_traces_trace_id_ts", 202511), partition("otel_traces", 20251130)
    imported = partition(
        "otel_traces", 2025, oldest=datetime(2025, 11, 3, tzinfo=UTC), newest=datetime(2025, 11, 4, tzinfo=UTC)
    )
    assert decide(trace, lookup, traces=30) == [Why.OVER, Why.OVER]
    assert decide(lookup, imported, traces=30) == [Why.SOURCE, Why.FOR_EVER]
    assert decide(lookup, imported, traces=30, history=61) == [Why.SOURCE, Why.WINDOW]
    elsewhere = partition("otel_traces", 20251130, tenant="b")
    assert decide(lookup, elsewhere, traces=30)[0] is Why.OVER
    assert plan([lookup], wishes(traces=30), NOW, lambda one: NOW)[0].why is Why.YOUNGER


def test_the_case_index_lives_as_long_as_the_longer_of_its_sources() -> None:
    index = partition("case_index", 202512)
    assert decide(index, traces=7, logs=30) == [Why.OVER]
    assert decide(index, traces=7, logs=90) == [Why.WINDOW]
    assert decide(index, traces=7, logs=None) == [Why.FOR_EVER]


def test_a_tenants_own_wish_wins() -> None:
    policies = wishes(traces=7).changed("a", Dataset.TRACES, 90)
    both = [partition("otel_traces", 20260101), partition("otel_traces", 20260101, tenant="b")]
    assert [one.drop for one in plan(both, policies, NOW)] == [False, True]


@pytest.mark.parametrize("days", [0, -1, 36_501, True])
def test_absurd_wishes_are_refused(days: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 36,500 days"):
        checked_days(days)


def test_bounds_of_partitions() -> None:
    assert bucket_bounds(20231231) == (datetime(2023, 12, 31, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    assert bucket_bounds(202312) == (datetime(2023, 12, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    assert bucket_bounds(2023) == (datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    assert bucket_bounds(1980)[0].year == 1


moments = st.integers(0, 1_600).flatmap(
    lambda days: st.just(datetime(2022, 1, 1, tzinfo=UTC) + timedelta(days=days, hours=days % 24))
)


def bucket_of(table: str, at: datetime, late: bool) -> int:
    """As the tables' partition expressions do it."""
    named = {"process_events": 4, "kpi_values": 4, "kpi_partials": 4, "case_index": 6, "otel_traces_trace_id_ts": 6}
    width = named.get(table, 8)
    return int(f"{at:%Y%m%d}"[: 4 if late and width == 8 else width])


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(sorted(TABLES)), st.sampled_from("ab"), moments, st.booleans()), max_size=40
    ),
    days=st.fixed_dictionaries({one.value: st.none() | st.integers(1, 500) for one in Dataset}),
)
def test_nothing_younger_is_dropped_and_everything_older_is(
    rows: list[tuple[str, str, datetime, bool]], days: dict[str, int | None]
) -> None:
    grouped: dict[tuple[str, str, int], list[datetime]] = {}
    for table, tenant, at, late in rows:
        grouped.setdefault((table, tenant, bucket_of(table, at, late)), []).append(at)
    partitions = [
        partition(table, bucket, tenant=tenant, oldest=min(times), newest=max(times))
        for (table, tenant, bucket), times in grouped.items()
    ]
    decisions = plan(partitions, wishes(**days), NOW)
    for decision in decisions:
        _check(decision, decisions, days)


def _check(decision: Decision, decisions: list[Decision], days: dict[str, int | None]) -> None:
    one = decision.partition
    if one.table.follows:
        kept = [days["traces"], days["logs"]] if one.table.name == "case_index" else [days["traces"]]
        wish = None if None in kept else max(day for day in kept if day is not None)
        start, end = bucket_bounds(one.bucket)
        pointed_to = any(
            other.partition.tenant == one.tenant
            and other.partition.table.name in one.table.follows
            and not other.drop
            and other.partition.oldest < end
            and other.partition.newest >= start
            for other in decisions
        )
    else:
        wish, pointed_to = days[one.dataset.value], False
    if decision.drop:
        assert wish is not None
        assert not pointed_to
        assert one.newest < NOW - timedelta(days=wish), "younger than the wish"
    elif wish is not None and not pointed_to:
        start, end = bucket_bounds(one.bucket)
        assert one.oldest >= NOW - timedelta(days=wish) - (end - start), "older than the wish and a partition's width"
